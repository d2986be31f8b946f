# The benchmarks: one program for each bench_*.c, all with every engine.
find_library(BENCH_LMDB lmdb REQUIRED)
find_library(BENCH_ROCKSDB rocksdb REQUIRED)
find_library(BENCH_SQLITE sqlite3 REQUIRED)
find_library(BENCH_TKRZW tkrzw REQUIRED)
find_library(BENCH_GDBM gdbm REQUIRED)

file(GLOB BENCH_COMMON CONFIGURE_DEPENDS
  bench/eng*.c bench/listeng_*.c bench/workload.c)
add_library(bench_engines STATIC ${BENCH_COMMON})
target_link_libraries(bench_engines PUBLIC
  kist_static kist_flags Threads::Threads
  ${BENCH_LMDB} ${BENCH_ROCKSDB} ${BENCH_SQLITE} ${BENCH_TKRZW}
  ${BENCH_GDBM} m)

add_custom_target(bench_programs)
file(GLOB BENCH_PROGRAMS CONFIGURE_DEPENDS bench/bench_*.c)
foreach(source ${BENCH_PROGRAMS})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
  target_link_libraries(${name} PRIVATE bench_engines)
  add_dependencies(bench_programs ${name})
endforeach()
