#!/usr/bin/env bash
# Everything that must hold before a change lands, in under twenty minutes on two cores:
# formatting, the dev build with all tests and the fuzz corpora, and the release binary with the
# end-to-end tests. `asan` runs the unit tests and corpora under ASan and UBSan (make test-asan).
#
#   scripts/test.sh [format] [dev] [e2e] [asan]     default: format dev e2e
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${JOBS:-$(nproc)}
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(format dev e2e)

scripts/setup.sh build test
FLENSE_COMPILER_LAUNCHER=${FLENSE_COMPILER_LAUNCHER:-$(command -v ccache || true)}
export FLENSE_COMPILER_LAUNCHER

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
      cmake --preset dev >/dev/null
      FLENSE_BINARY=$PWD/build/release/flense ctest --preset dev -j"$jobs" -L e2e -LE 'large|gpu'
      ;;
    asan)
      say "ASan and UBSan build and tests"
      configure_and_build asan
      ASAN_OPTIONS=detect_leaks=1:allocator_may_return_null=1 UBSAN_OPTIONS=print_stacktrace=1 \
        ctest --preset asan -j"$jobs" -LE 'e2e|large|gpu|layering'
      ;;
    *) echo "test: unknown part '$part' (format, dev, e2e, asan)" >&2; exit 2 ;;
  esac
done
say "all parts passed: ${parts[*]}"
