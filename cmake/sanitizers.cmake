# FLENSE_SANITIZE is set by presets only: "address,undefined" or "fuzzer-no-link,address,undefined".
if(FLENSE_SANITIZE)
  add_compile_options(-fsanitize=${FLENSE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FLENSE_SANITIZE})
  # Optimising what was instrumented is most of a sanitized build. The tests' own code runs once, and
  # of the rooms only those that stream bytes run long enough to give the time back.
  if(NOT FLENSE_FUZZ)
    set(FLENSE_TEST_OPTIONS -O0)
  endif()
endif()
