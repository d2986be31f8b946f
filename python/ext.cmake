# The extension kist._core, over the public C API; included under KIST_PYTHON.
#
#   cmake -DKIST_PYTHON=ON -DPython_EXECUTABLE=/path/to/python ...
#
# builds python/kist/_core.*.so in the build directory, with the package's
# Python files beside it: PYTHONPATH=<build>/python then finds kist.
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)

file(GLOB KIST_EXT_SOURCES CONFIGURE_DEPENDS python/ext/*.c)
Python_add_library(kist_core MODULE WITH_SOABI ${KIST_EXT_SOURCES})

# LZ4's block functions, for the frames that joblib writes: code of others, so
# without our warnings; nothing of it leaves the module.
add_library(kist_lz4 OBJECT third_party/lz4/lz4.c)
target_compile_options(kist_lz4 PRIVATE -fvisibility=hidden -w)
target_compile_definitions(kist_lz4 PRIVATE LZ4LIB_VISIBILITY=)
target_include_directories(kist_core SYSTEM PRIVATE third_party/lz4)
target_sources(kist_core PRIVATE $<TARGET_OBJECTS:kist_lz4>)
set_target_properties(kist_core PROPERTIES
  OUTPUT_NAME _core
  LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/python/kist)
# Only PyInit__core leaves the module; the library is linked into it.
target_compile_options(kist_core PRIVATE -fvisibility=hidden)
target_include_directories(kist_core PRIVATE
  python/ext ${PROJECT_SOURCE_DIR}/include)
target_include_directories(kist_core SYSTEM PRIVATE ${Python_INCLUDE_DIRS})
target_sources(kist_core PRIVATE $<TARGET_OBJECTS:kist_objects>)
target_link_options(kist_core PRIVATE
  -Wl,--exclude-libs,ALL
  -Wl,--version-script=${PROJECT_SOURCE_DIR}/python/ext.map)
target_link_libraries(kist_core PRIVATE kist_flags Threads::Threads m)

file(GLOB_RECURSE KIST_PACKAGE CONFIGURE_DEPENDS
     RELATIVE ${PROJECT_SOURCE_DIR}/python
     python/kist/*.py python/kist/*.pyi python/kist/py.typed)
foreach(file ${KIST_PACKAGE})
  get_filename_component(folder ${file} DIRECTORY)
  configure_file(python/${file} ${PROJECT_BINARY_DIR}/python/${file} COPYONLY)
  install(FILES python/${file} DESTINATION ${folder} COMPONENT python)
endforeach()

install(TARGETS kist_core LIBRARY DESTINATION kist COMPONENT python)
