add_library(flense_warnings INTERFACE)
target_compile_options(flense_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Woverloaded-virtual -Wcast-qual -Wformat=2 -Wimplicit-fallthrough
  -Wextra-semi -Wundef)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # gtest's assertions bring an else of their own, which GCC takes for one of ours.
  target_compile_options(flense_warnings INTERFACE -Wduplicated-cond -Wlogical-op -Wsuggest-override -Wno-dangling-else)
  if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # GCC 12 sees overlaps in std::string::insert and operator+ that are not there (GCC PR 105651),
    # reads at -O2 the inactive alternatives of a moved std::variant, and takes the standard library
    # for our code where its headers are precompiled.
    target_compile_options(flense_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized
      -Wno-stringop-overflow -Wno-stringop-overread -Wno-array-bounds)
  endif()
elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  target_compile_options(flense_warnings INTERFACE -Wextra-semi-stmt)
  # std::stable_sort of libstdc++ 12 uses what C++20 deprecates; Clang reports it at our call.
  target_compile_options(flense_warnings INTERFACE -Wno-deprecated-declarations)
endif()
# Other compilers than Debian 12's warn of what these do not, sometimes wrongly, and still have to build it.
if(FLENSE_WARNINGS_AS_ERRORS AND (CMAKE_CXX_COMPILER_ID MATCHES "Clang" OR CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13))
  target_compile_options(flense_warnings INTERFACE -Werror)
endif()
