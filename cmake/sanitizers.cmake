# FLENSE_SANITIZE is set by presets only: "address,undefined" or "fuzzer-no-link,address,undefined".
if(FLENSE_SANITIZE)
  add_compile_options(-fsanitize=${FLENSE_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${FLENSE_SANITIZE})
  # The tests' own code runs once; optimising its instrumentation is most of a sanitized build.
  set(FLENSE_TEST_OPTIONS -O0)
endif()
