# The tests' programs.  Each tests/<folder>/test_<noun>.c is one program in
# the same folder of the build directory, where tests/run finds it; other
# sources beside it are linked to each.
find_package(PkgConfig REQUIRED)
pkg_check_modules(CMOCKA REQUIRED IMPORTED_TARGET cmocka)

# The library once more, with the steps between stores marked (KIST_POINTS)
# and our own assertions on.  Its inner names can be linked to.
add_library(kist_test STATIC ${KIST_SOURCES})
target_include_directories(kist_test PUBLIC include src)
target_compile_definitions(kist_test PUBLIC KIST_POINTS KIST_ASSERT
                           KT_GOLDEN_DIR="${PROJECT_SOURCE_DIR}/tests/golden")
target_link_libraries(kist_test PUBLIC Threads::Threads PRIVATE kist_flags)

file(GLOB KIST_SUPPORT_SOURCES CONFIGURE_DEPENDS tests/support/*.c)
add_library(kist_support STATIC ${KIST_SUPPORT_SOURCES})
target_include_directories(kist_support PUBLIC tests)
target_link_libraries(kist_support PUBLIC kist_test PkgConfig::CMOCKA
                      PRIVATE kist_flags)
set_target_properties(kist_support PROPERTIES LINKER_LANGUAGE C)

file(GLOB KIST_TEST_SOURCES CONFIGURE_DEPENDS
     tests/unit/*/test_*.c tests/power/test_*.c tests/multiproc/test_*.c)
foreach(source ${KIST_TEST_SOURCES})
  get_filename_component(name ${source} NAME_WE)
  get_filename_component(folder ${source} DIRECTORY)
  file(GLOB beside CONFIGURE_DEPENDS ${folder}/*.c)
  list(FILTER beside EXCLUDE REGEX "/test_[^/]*$")
  file(RELATIVE_PATH folder ${PROJECT_SOURCE_DIR} ${folder})
  add_executable(${name} ${source} ${beside})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
  target_link_libraries(${name} PRIVATE kist_support kist_test kist_flags m)
endforeach()

# Workloads and verifiers of the fault rigs: NAME_work.c is a program, all
# else beside it is linked to each.
file(GLOB KIST_WORK_SOURCES CONFIGURE_DEPENDS tests/rigs/work/*.c)
set(KIST_WORK_PROGRAMS ${KIST_WORK_SOURCES})
list(FILTER KIST_WORK_PROGRAMS INCLUDE REGEX "_work\\.c$")
if(KIST_WORK_PROGRAMS)
  list(REMOVE_ITEM KIST_WORK_SOURCES ${KIST_WORK_PROGRAMS})
endif()
add_custom_target(rig_programs)
foreach(source ${KIST_WORK_PROGRAMS})
  get_filename_component(name ${source} NAME_WE)
  add_executable(${name} ${source} ${KIST_WORK_SOURCES})
  set_target_properties(${name} PROPERTIES
    RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/rigs)
  target_link_libraries(${name} PRIVATE kist_support kist_test kist_flags m)
  add_dependencies(rig_programs ${name})
endforeach()

# Fuzzers: `cmake --build build/asan --target fuzzers`.
file(GLOB KIST_FUZZ_SOURCES CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
if(CMAKE_C_COMPILER_ID MATCHES "Clang" AND KIST_SANITIZE MATCHES "address")
  add_library(kist_fuzz STATIC EXCLUDE_FROM_ALL ${KIST_SOURCES})
  target_include_directories(kist_fuzz PUBLIC include src tests)
  target_compile_definitions(kist_fuzz PUBLIC KIST_POINTS KIST_ASSERT)
  target_compile_options(kist_fuzz PUBLIC -fsanitize=fuzzer-no-link)
  target_link_libraries(kist_fuzz PUBLIC Threads::Threads PRIVATE kist_flags)
  add_custom_target(fuzzers)
  foreach(source ${KIST_FUZZ_SOURCES})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} EXCLUDE_FROM_ALL ${source})
    set_target_properties(${name} PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests/fuzz)
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
    target_link_libraries(${name} PRIVATE kist_fuzz kist_flags m)
    add_dependencies(fuzzers ${name})
  endforeach()
endif()
