# flense_module(NAME DEPS room... LIBS library...)
# One room, a folder of src/ with its sub-rooms, is one static library flense_NAME; *_test.cpp beside the
# code becomes the program flense_NAME_test, registered as one ctest entry.
set(FLENSE_STREAMING_ROOMS base codec text elf image device)
# Most of a compilation is reading headers: with FLENSE_UNITY several files of these rooms are
# compiled as one, so a name in an unnamed namespace is the only one of its folder there.
set(FLENSE_JOINED_ROOMS base codec guard elf image device knowledge inventory host fleet sbom needs closure compat lint
  doctor slim verify cdi mirror scaffold launch report cli)

# Names of other files are no shadows, nor is the joined file a header. The other presets judge.
add_library(flense_joined INTERFACE)
target_compile_options(flense_joined INTERFACE -Wno-shadow
  $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)

# Joins files of one folder, ten at most, so that a change costs its neighbours and nobody else.
function(flense_join)
  foreach(source ${ARGN})
    file(RELATIVE_PATH folder ${CMAKE_CURRENT_SOURCE_DIR}/.. ${source})
    get_filename_component(folder ${folder} DIRECTORY)
    string(MAKE_C_IDENTIFIER ${folder} folder)
    list(APPEND seen_${folder} ${source})
    list(LENGTH seen_${folder} count)
    math(EXPR group "(${count} - 1) / 10")
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${folder}_${group})
  endforeach()
endfunction()

function(flense_module NAME)
  cmake_parse_arguments(ARG "" "" "DEPS;LIBS;TEST_LIBS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cpp$")
  list(FILTER tests INCLUDE REGEX "_test\\.cpp$")
  add_library(flense_${NAME} STATIC ${sources})
  target_include_directories(flense_${NAME} PUBLIC ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(flense_${NAME} PRIVATE flense_warnings)
  if(FLENSE_UNITY AND NAME IN_LIST FLENSE_JOINED_ROOMS)
    target_link_libraries(flense_${NAME} PRIVATE flense_joined)
  endif()
  foreach(dep ${ARG_DEPS})
    target_link_libraries(flense_${NAME} PUBLIC flense_${dep})
  endforeach()
  target_link_libraries(flense_${NAME} PRIVATE ${ARG_LIBS})
  if(FLENSE_UNITY AND NAME IN_LIST FLENSE_JOINED_ROOMS)
    set_target_properties(flense_${NAME} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
    flense_join(${sources})
  endif()
  if(NAME IN_LIST FLENSE_STREAMING_ROOMS)
    flense_precompiled(flense_${NAME} flense_headers)
  else()
    target_compile_options(flense_${NAME} PRIVATE ${FLENSE_TEST_OPTIONS})
    flense_precompiled(flense_${NAME} flense_plain_headers)
  endif()
  if(tests AND FLENSE_TESTS)
    add_executable(flense_${NAME}_test ${tests})
    target_include_directories(flense_${NAME}_test PRIVATE ${CMAKE_SOURCE_DIR}/tests)
    target_compile_options(flense_${NAME}_test PRIVATE ${FLENSE_TEST_OPTIONS})
    flense_precompiled(flense_${NAME}_test flense_test_headers)
    target_link_libraries(flense_${NAME}_test PRIVATE flense_${NAME} flense_warnings
      GTest::gmock GTest::gtest_main ${ARG_TEST_LIBS})
    add_test(NAME unit_${NAME} COMMAND flense_${NAME}_test)
    # Generated inputs are the same in every run: who wants others sets RC_PARAMS and runs the program.
    set_tests_properties(unit_${NAME} PROPERTIES LABELS unit TIMEOUT 600 ENVIRONMENT "RC_PARAMS=seed=20261121")
  endif()
endfunction()
