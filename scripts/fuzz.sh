#!/usr/bin/env bash
# Runs every fuzz target for a while with ASan and UBSan and prints executions and edge coverage.
#
#   scripts/fuzz.sh SECONDS [TARGET...]
#
# New inputs stay in build/fuzz-corpus; a crash ends the run and leaves its input in build/fuzz-crash.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:?usage: scripts/fuzz.sh SECONDS [TARGET...]}
shift
FLENSE_COMPILER_LAUNCHER=${FLENSE_COMPILER_LAUNCHER:-$(command -v ccache || true)}
export FLENSE_COMPILER_LAUNCHER
cmake --preset fuzz >/dev/null
cmake --build build/fuzz -j"${JOBS:-$(nproc)}"

targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  for source in fuzz/*_fuzz.cpp; do targets+=("$(basename "$source" .cpp)"); done
fi
mkdir -p build/fuzz-crash build/fuzz-log
status=0
for target in "${targets[@]}"; do
  name=${target%_fuzz}
  corpus=build/fuzz-corpus/$name
  mkdir -p "$corpus"
  program=$(find build/fuzz -name "${name}_fuzz" -type f -perm -u+x | head -1)
  [ -n "$program" ] || { echo "fuzz: no program for $name" >&2; exit 3; }
  seeds=()
  [ -d "fuzz/corpus/$name" ] && seeds=("fuzz/corpus/$name")
  dictionary=()
  [ -f "fuzz/$name.dict" ] && dictionary=("-dict=fuzz/$name.dict")
  log=build/fuzz-log/$name.log
  if ! "$program" -max_total_time="$seconds" -print_final_stats=1 -rss_limit_mb=2048 -timeout=10 -max_len=65536 \
    -artifact_prefix="build/fuzz-crash/$name-" "${dictionary[@]}" "$corpus" "${seeds[@]}" >"$log" 2>&1; then
    echo "$name: CRASH, see $log"
    tail -30 "$log"
    status=1
    continue
  fi
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  coverage=$(grep -o 'cov: [0-9]*' "$log" | tail -1)
  printf '%-16s %12s executions  %s edges  %s s\n' "$name" "$executions" "${coverage#cov: }" "$seconds"
done
exit $status
