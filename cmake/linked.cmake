# FLENSE_LINKED: the packages of the distribution whose archives and headers end up in the program,
# with their versions, a line each. The package manager is asked who owns the files that were found.
set(FLENSE_LINKED "")
set(linked_files ${ZLIB_LIBRARIES} ${OPENSSL_CRYPTO_LIBRARY} ${FLENSE_ZSTD} ${FLENSE_SQUASHFS} ${FLENSE_LZMA}
  ${FLENSE_LZ4} ${FLENSE_YAML})
foreach(header fmt/format.h nlohmann/json.hpp CLI/CLI.hpp toml++/toml.h)
  find_file(linked_header ${header} NO_CACHE)
  list(APPEND linked_files ${linked_header})
  unset(linked_header)
endforeach()
foreach(archive libstdc++.a libc.a)
  execute_process(COMMAND ${CMAKE_CXX_COMPILER} -print-file-name=${archive} OUTPUT_VARIABLE found
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  file(REAL_PATH "${found}" found)
  list(APPEND linked_files ${found})
endforeach()
find_program(FLENSE_DPKG_QUERY dpkg-query)
if(FLENSE_DPKG_QUERY)
  execute_process(COMMAND ${FLENSE_DPKG_QUERY} -S ${linked_files} OUTPUT_VARIABLE owners ERROR_QUIET)
  # "libzstd-dev:amd64: /usr/lib/x86_64-linux-gnu/libzstd.a", "libfmt-dev:amd64, libfmt-dev:arm64: /usr/include/fmt/format.h"
  string(REGEX REPLACE ": /[^\n]*\n" ", " owners "${owners}")
  string(REPLACE ", " ";" owners "${owners}")
  list(REMOVE_DUPLICATES owners)
  list(SORT owners)
  if(owners)
    execute_process(COMMAND ${FLENSE_DPKG_QUERY} -W -f "\${Package} \${Version}\n" ${owners}
      OUTPUT_VARIABLE FLENSE_LINKED ERROR_QUIET)
    # A package that is there for two architectures says the same twice.
    string(REGEX MATCHALL "[^\n]+" FLENSE_LINKED "${FLENSE_LINKED}")
    list(REMOVE_DUPLICATES FLENSE_LINKED)
    list(JOIN FLENSE_LINKED "\n" FLENSE_LINKED)
    string(APPEND FLENSE_LINKED "\n")
  endif()
endif()
