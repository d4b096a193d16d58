#!/usr/bin/env bash
# The steps of action.yml: finds flense or downloads it, and runs it in the workspace. Its inputs come as variables:
# COMMAND, PATHS, ARGUMENTS, FAIL_ON, SARIF, and VERSION, SHA256, URL of a download; RELEASES is the releases page.
# Exit status: that of flense, 2 for a wrong input, 4 when flense cannot be had.
set -euo pipefail

table=$(dirname "${BASH_SOURCE[0]}")/../data/releases.json
cd "${GITHUB_WORKSPACE:-.}"

# fail STATUS MESSAGE NEXT-STEP: one annotation; GitHub reads %0A as the end of a line.
fail() {
  local text="$2%0A$3"
  echo "::error title=flense::${text//$'\n'/%0A}"
  exit "$1"
}

# Sets version and sha256 to what inputs and table say; empty is unknown.
choose_release() {
  version=${VERSION:-} sha256=${SHA256:-}
  version=${version#v}
  local row='"version":[[:space:]]*"([^"]+)",[[:space:]]*"sha256":[[:space:]]*"([0-9a-f]{64})"'
  local rest section='"flense":[[:space:]]*\{[^]]*' # up to the end of its rows, which are newest first
  rest=$(<"$table")
  [[ $rest =~ $section ]] || true
  rest=${BASH_REMATCH[0]:-}
  while [[ $rest =~ $row ]]; do
    if [ "${version:-${BASH_REMATCH[1]}}" = "${BASH_REMATCH[1]}" ]; then
      version=${BASH_REMATCH[1]} sha256=${sha256:-${BASH_REMATCH[2]}}
      break
    fi
    rest=${rest#*"${BASH_REMATCH[0]}"}
  done
}

# Downloads, verifies, then unpacks flense into a folder of its own and puts that on PATH.
install_flense() {
  choose_release
  local help='build flense (make) and put it on PATH in a step before this one, or give the inputs url and sha256 of a tarball of yours'
  local url=${URL:-}
  if [ -z "$url" ]; then
    [ -n "$version" ] || fail 4 "flense is not on PATH, and no release of it is published." "Next: $help."
    url=${RELEASES:?}/download/v$version/flense-$version-linux-x86_64.tar.gz
  fi
  [[ $sha256 =~ ^[0-9a-f]{64}$ ]] || fail 4 \
    "The SHA-256 of ${version:+flense $version at }$url is not known, and nothing runs unverified." \
    "Next: name a version of flense in data/releases.json, or give the 64 digits as input sha256."
  [ "$(uname -sm)" = "Linux x86_64" ] || fail 4 "The table has releases for Linux on x86-64 alone; this is $(uname -sm)." "Next: $help."

  local home file status=0
  home=$(mktemp -d "${RUNNER_TEMP:-/tmp}/flense-XXXXXX")
  file=$home/flense.tar.gz
  curl --fail --silent --show-error --location --retry 3 --connect-timeout 20 --output "$file" "$url" 2>"$home/said" || status=$?
  local said
  said=$(<"$home/said")
  case $status:$said in
    0:*) ;;
    22:*404*) fail 4 "There is no release at $url." "Next: look which versions the releases page has; or $help." ;;
    18:*) fail 4 "The download of $url was cut off ($said)." "Next: run the job again." ;;
    *) fail 4 "$url could not be downloaded ($said)." "Next: see that the runner reaches it; or $help." ;;
  esac
  local found
  found=$(sha256sum "$file" | cut -d ' ' -f 1)
  if [ "$found" != "$sha256" ]; then
    rm -f "$file"
    fail 4 "$url has the SHA-256 $found, and $sha256 was expected; it was not run." \
      "Next: run the job again; if it stays so, the file is not the published one: tell the maintainers (SECURITY.md)."
  fi
  mkdir "$home/bin" "$home/unpacked"
  tar -xzf "$file" -C "$home/unpacked" --no-same-owner
  local program
  program=$(find "$home/unpacked" -type f -name flense -perm -u+x -print -quit)
  [ -n "$program" ] || fail 4 "$url holds no program flense." "Next: give the tarball of a release as input url."
  mv "$program" "$home/bin/flense"
  rm -rf "$home/unpacked" "$file" "$home/said"
  PATH=$home/bin:$PATH
  echo "$home/bin" >>"${GITHUB_PATH:-/dev/null}"
}

# Runs flense with the words of the inputs; patterns are expanded in paths alone.
words() {
  local -a arguments=()
  read -r -d '' -a arguments <<<"${ARGUMENTS:-}" || true
  # shellcheck disable=SC2086
  flense "$command" "$@" "${arguments[@]}" ${PATHS:-}
}

# What people read, in the log and in the summary of the job.
report() { words "$@" | tee -a "$summary"; }

summary=${GITHUB_STEP_SUMMARY:-/dev/null}
command=${COMMAND:-lint}
fail_on=${FAIL_ON:-}
sarif=${SARIF:-}
case $command in
  lint) PATHS=${PATHS:-.} ;;
  inspect | slim | diff | check)
    [ -n "${PATHS:-}" ] || fail 2 "$command needs an image." "Next: name it in the input paths, such as oci-archive:image.tar." ;;
  *) fail 2 "The command is '$command'." "Next: use lint, inspect, slim, diff or check." ;;
esac
case $command:$fail_on in
  diff:never) fail_on='' ;; # without a gate nothing fails
  lint:* | diff:* | *: | *:never) ;;
  *) fail 2 "fail-on is '$fail_on', and $command knows only never." "Next: say what fails in the input arguments." ;;
esac
case $command:$sarif in
  lint:* | check:* | *:) ;;
  *) fail 2 "$command writes no SARIF." "Next: leave the input sarif out." ;;
esac

command -v flense >/dev/null || install_flense
version=$(flense --version) || fail 4 "$(command -v flense) does not start." "Next: see the log."
echo "$version: $(command -v flense)"

status=0
case $command in
  lint)
    [ -z "$sarif" ] || words --format sarif --fail-on never >"$sarif" || status=$?
    words --format markdown --fail-on never >>"$summary" || status=$?
    words --format github ${fail_on:+--fail-on "$fail_on"} || status=$?
    ;;
  check)
    [ -z "$sarif" ] || words --format sarif >"$sarif" || status=$?
    report --format markdown || status=$?
    ;;
  diff) report --format markdown ${fail_on:+--fail-on "$fail_on"} || status=$? ;;
  *)
    echo '```' >>"$summary"
    report || status=$?
    echo '```' >>"$summary"
    ;;
esac
printf 'version=%s\nstatus=%s\n' "${version#flense }" "$status" >>"${GITHUB_OUTPUT:-/dev/null}"
case $fail_on:$status in
  *:0 | never:[15]) exit 0 ;;
  *:1) why="it found something" ;;
  *:5) why="something decisive is unknown" ;;
  *) why="see the log" ;;
esac
echo "::error title=flense::flense $command ended with status $status: $why"
exit "$status"
