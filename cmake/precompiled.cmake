# The headers that nearly every file includes, read once for each kind of target. The presets dev
# and tidy go without, and show the includes that a file forgot.
set(FLENSE_COMMON_HEADERS
  <algorithm> <array> <atomic> <cerrno> <charconv> <chrono> <condition_variable> <cstdint> <deque>
  <expected> <filesystem> <fstream> <functional> <map> <memory> <mutex> <optional> <set> <span>
  <stop_token> <string> <string_view> <thread> <utility> <variant> <vector>)
foreach(header base/format.h base/result.h base/stream.h base/file.h base/parallel.h text/json.h)
  list(APPEND FLENSE_COMMON_HEADERS ${CMAKE_SOURCE_DIR}/src/${header})
endforeach()

function(flense_precompiled_set NAME)
  cmake_parse_arguments(ARG "" "" "OPTIONS;HEADERS;LIBS" ${ARGN})
  if(NOT EXISTS ${CMAKE_BINARY_DIR}/${NAME}.cpp)
    file(WRITE ${CMAKE_BINARY_DIR}/${NAME}.cpp "")
  endif()
  add_library(${NAME} OBJECT ${CMAKE_BINARY_DIR}/${NAME}.cpp)
  target_include_directories(${NAME} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  # Also the warnings: some of them (-Wpedantic) change what is predefined.
  target_compile_options(${NAME} PRIVATE ${ARG_OPTIONS})
  target_link_libraries(${NAME} PRIVATE flense_warnings Threads::Threads ${ARG_LIBS})
  target_precompile_headers(${NAME} PRIVATE ${ARG_HEADERS})
endfunction()

if(FLENSE_PRECOMPILE)
  # Else a fresh checkout's times make every kept object of a compiler cache worthless.
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp" -fpch-instantiate-templates)
  endif()
  flense_precompiled_set(flense_headers HEADERS ${FLENSE_COMMON_HEADERS})
  if(FLENSE_TEST_OPTIONS)
    flense_precompiled_set(flense_plain_headers OPTIONS ${FLENSE_TEST_OPTIONS} HEADERS ${FLENSE_COMMON_HEADERS})
  else()
    add_library(flense_plain_headers ALIAS flense_headers)
  endif()
  if(FLENSE_TESTS)
    flense_precompiled_set(flense_test_headers OPTIONS ${FLENSE_TEST_OPTIONS} LIBS GTest::gmock
      HEADERS ${FLENSE_COMMON_HEADERS} <gmock/gmock.h> <gtest/gtest.h>)
  endif()
endif()

# Lets TARGET start from the headers that SET has read.
function(flense_precompiled TARGET SET)
  if(FLENSE_PRECOMPILE)
    target_precompile_headers(${TARGET} REUSE_FROM ${SET})
  endif()
endfunction()
