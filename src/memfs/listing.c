#include "memfs/listing.h"

#include "base/alloc.h"
#include "base/fail.h"
#include "memfs/tree.h"

kist_status
ki_listing_add(ki_listing *listing, kist_slice name)
{
    kist_status status = kist_buf_append(&listing->text, name.data, name.size);

    if (status == KIST_OK) {
        status = kist_buf_append(&listing->ends, &listing->text.size,
                                 sizeof(listing->text.size));
    }
    listing->count += status == KIST_OK;
    return status;
}

void
ki_listing_fini(ki_listing *listing)
{
    kist_buf_fini(&listing->text);
    kist_buf_fini(&listing->ends);
    *listing = (ki_listing){0};
}

/* Room for that many names of that many bytes; the bytes begin at *text. */
static kist_status
new_names(size_t count, size_t bytes, kist_memfs_names **names, char **text)
{
    const size_t head = sizeof(**names) + count * sizeof(*(*names)->names);
    kist_memfs_names *fresh = ki_realloc(NULL, head + bytes);

    *names = fresh;
    if (fresh == NULL) {
        return KI_FAIL(KIST_ERR_NOMEM, NULL, KI_NO_OFFSET, "names");
    }
    *fresh = (kist_memfs_names){.count = count};
    fresh->names = (kist_slice *)(fresh + 1);
    *text = (char *)fresh + head;
    return KIST_OK;
}

kist_status
ki_listing_take(ki_listing *listing, size_t dirs, kist_memfs_names **names)
{
    size_t start = 0;
    char *text = NULL;
    const kist_status status =
        new_names(listing->count, listing->text.size, names, &text);

    if (status == KIST_OK && listing->text.size > 0) {
        memcpy(text, listing->text.data, listing->text.size);
        (*names)->dirs = dirs;
    }
    for (size_t index = 0; status == KIST_OK && index < listing->count;
         index++) {
        size_t end;

        memcpy(&end, listing->ends.data + index * sizeof(end), sizeof(end));
        (*names)->names[index] = kist_bytes(text + start, end - start);
        start = end;
    }
    ki_listing_fini(listing);
    return status;
}

kist_status
ki_list_children(const ki_dir *dir, bool dirs_first, kist_memfs_names **names)
{
    const size_t dirs = dirs_first ? (size_t)dir->dirs : 0;
    size_t count = 0;
    size_t bytes = 0;
    kist_slice *to_dir;
    kist_slice *to;
    char *text = NULL;
    kist_status status;

    for (const ki_node *node = dir->first; node != NULL; node = node->next) {
        count++;
        bytes += node->name_size;
    }
    status = new_names(count, bytes, names, &text);
    if (status != KIST_OK) {
        return status;
    }
    (*names)->dirs = dirs;
    to_dir = (*names)->names;
    to = to_dir + dirs;
    for (const ki_node *node = dir->first; node != NULL; node = node->next) {
        kist_slice **next = dirs_first && node->is_dir ? &to_dir : &to;

        memcpy(text, node->name, node->name_size);
        *(*next)++ = kist_bytes(text, node->name_size);
        text += node->name_size;
    }
    return KIST_OK;
}

void
kist_memfs_names_free(kist_memfs_names *names)
{
    ki_free(names);
}

/* The directory at *path, while the lock is held. */
static kist_status
find_dir(kist_memfs *fs, const ki_path *path, const ki_dir **dir)
{
    ki_node *node = ki_tree_find(fs, path).node;

    if (node == NULL) {
        return KIST_ERR_NOTFOUND;
    }
    if (!node->is_dir) {
        return KI_FAIL(KIST_ERR_NOTDIR, NULL, KI_NO_OFFSET, "list");
    }
    *dir = ki_node_dir(node);
    return KIST_OK;
}

kist_status
kist_memfs_list(kist_memfs *fs, kist_slice path, kist_memfs_names **names)
{
    ki_path straight;
    const ki_dir *dir = NULL;
    kist_status status = ki_path_init(&straight, path);

    *names = NULL;
    if (status != KIST_OK) {
        return status;
    }
    ki_brlock_read(&fs->lock);
    status = find_dir(fs, &straight, &dir);
    if (status == KIST_OK) {
        status = ki_list_children(dir, false, names);
    }
    ki_brlock_unread(&fs->lock);
    ki_path_fini(&straight);
    return status;
}

kist_status
kist_memfs_list_version(kist_memfs *fs, kist_slice path, uint64_t *version)
{
    ki_path straight;
    const ki_dir *dir = NULL;
    kist_status status = ki_path_init(&straight, path);

    *version = 0;
    if (status != KIST_OK) {
        return status;
    }
    ki_brlock_read(&fs->lock);
    status = find_dir(fs, &straight, &dir);
    if (status == KIST_OK) {
        *version = dir->version;
    }
    ki_brlock_unread(&fs->lock);
    ki_path_fini(&straight);
    return status;
}
