# The headers that nearly every file includes, read once for each kind of target. The presets dev
# and tidy go without, and show the includes that a file forgot.
set(FLENSE_COMMON_HEADERS
  <algorithm> <array> <cstdint> <expected> <filesystem> <functional> <map> <memory> <optional> <set>
  <span> <string> <string_view> <utility> <variant> <vector> ${CMAKE_SOURCE_DIR}/src/base/format.h
  ${CMAKE_SOURCE_DIR}/src/base/result.h)

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
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
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
