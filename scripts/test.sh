#!/usr/bin/env bash
# Everything that must hold before a change lands, in under twenty minutes on two cores:
# formatting, the unit tests and the fuzz corpora under ASan and UBSan, and the release binary with
# the end-to-end tests. `dev` runs the first without sanitizers, which builds faster.
#
#   scripts/test.sh [format] [asan] [e2e] [dev]     default: format asan e2e
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(format asan e2e)

scripts/setup.sh build test
FLENSE_COMPILER_LAUNCHER=${FLENSE_COMPILER_LAUNCHER:-$(command -v ccache || true)}
export FLENSE_COMPILER_LAUNCHER
# Precompiled headers are the same when what they were made from is.
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros}

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }

configure_and_build() {
  cmake --preset "$1" >/dev/null
  cmake --build "build/$1" -j"$jobs" "${@:2}"
}

for part in "${parts[@]}"; do
  case $part in
    format)
      say "format"
      git ls-files '*.cpp' '*.h' | xargs -r clang-format-19 --dry-run --Werror
      ;;
    dev)
      say "dev build and tests"
      configure_and_build dev
      ctest --preset dev -j"$jobs" -LE 'e2e|large|gpu'
      ;;
    e2e)
      say "release binary, end to end"
      configure_and_build release --target flense
      cmake --preset asan >/dev/null
      # One more than processors: most of their time they wait for registries, engines and disks.
      FLENSE_BINARY=$PWD/build/release/flense ctest --preset asan -j"$((jobs + 1))" -L e2e -LE 'large|gpu'
      ;;
    asan)
      say "ASan and UBSan build and tests"
      configure_and_build asan
      ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
        ctest --preset asan -j"$jobs" -LE 'e2e|large|gpu'
      ;;
    *) echo "test: unknown part '$part' (format, asan, e2e, dev)" >&2; exit 2 ;;
  esac
done
say "all parts passed: ${parts[*]}"
