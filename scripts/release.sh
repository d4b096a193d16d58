#!/usr/bin/env bash
# Makes a release from main: builds it twice in different surroundings, compares every byte, adds the bill of materials
# and the provenance, signs the checksums, then commits the version and tags.
#
#   scripts/release.sh [--dry-run] VERSION     into dist/; --dry-run commits and tags nothing
#
# gpg signs with the key that FLENSE_SIGNING_KEY names; without it nothing is signed. As root, the second build is another
# user's. A dry run may also stand on the tag of the version, as on CI.
set -euo pipefail
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin # the distribution's tools, which can be named
cd "$(dirname "$0")/.."

fail() { echo "release: $*" >&2; exit "${status:-2}"; }
dry_run=
[ "${1:-}" != --dry-run ] || { dry_run=yes; shift; }
version=${1:-}
[[ $# = 1 && $version =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "usage: scripts/release.sh [--dry-run] VERSION, such as 0.1.0"
tag=v$version

[ -z "$(git status --porcelain)" ] || fail "the tree is not clean: commit or remove what git status shows"
tagged=$(git rev-parse -q --verify "$tag^{commit}" || true)
if [ -n "$tagged" ]; then
  [ "$dry_run$tagged" = "yes$(git rev-parse HEAD)" ] || fail "$tag exists: a version is released once"
else
  [ "$(git symbolic-ref -q --short HEAD)" = main ] || fail "releases are made on main"
fi
grep -Eqx "## ${version//./\\.}, [0-9]{4}-[0-9]{2}-[0-9]{2}" CHANGELOG.md ||
  fail "CHANGELOG.md has no section '## $version, YYYY-MM-DD'"

work=$(mktemp -d "${TMPDIR:-/var/tmp}/flense-release-XXXXXX")
chmod 755 "$work" # another user comes in
trap '[ -n "${keep:-}" ] || rm -rf "$work"' EXIT

# What is built is a commit, whether main gets it in the end or not. CMakeLists.txt has the version, and pyproject.toml
# repeats it for pip.
first=$work/one/flense second=$work/the-other/place
git clone -q --no-hardlinks . "$first"
if origin=$(git remote get-url origin 2>/dev/null); then
  git -C "$first" remote set-url origin "$origin"
else
  git -C "$first" remote remove origin
fi
sed -i "s/^project(flense VERSION [0-9.]*/project(flense VERSION $version/" "$first/CMakeLists.txt"
sed -i "s/\"flense==[0-9.]*\"/\"flense==$version\"/" "$first/pyproject.toml"
grep -q "^project(flense VERSION $version " "$first/CMakeLists.txt" && grep -q "\"flense==$version\"" "$first/pyproject.toml" ||
  fail "the version cannot be set in CMakeLists.txt and pyproject.toml"
if ! git -C "$first" diff --quiet; then
  git -C "$first" -c user.name="$(git config user.name || echo release)" -c user.email="$(git config user.email || echo release@localhost)" \
    commit -qam "flense $version: the version, for the release"
fi
git clone -q --no-hardlinks "$first" "$second"

# build FOLDER [COMMAND…]: in a bare environment, without a compiler cache, which would hand out objects of the other
# build, and with libisal built anew. COMMAND comes before and may change user, time zone, umask.
build() {
  local folder=$1 home
  shift
  home=$(dirname "$folder")/home
  "$@" env -i HOME="$home" PATH="$PATH" FLENSE_COMPILER_LAUNCHER= \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} ${JOBS:+JOBS="$JOBS"} "${surroundings[@]}" \
    bash -ec 'umask "$1"; cd "$2"; mkdir -p "$HOME"; make dist
      scripts/release/sbom.py build/release >"dist/flense-$3.spdx.json"
      scripts/release/sbom.py build/release-arm64 >"dist/flense-$3-arm64.spdx.json"' \
    - "$mask" "$folder" "$version" >"$folder.log" 2>&1 || {
    keep=yes status=4
    tail -30 "$folder.log" >&2
    fail "the build in $folder failed; it is kept"
  }
}
echo "release: first build, in $first"
mask=022 surroundings=(TZ=UTC LC_ALL=C.UTF-8)
build "$first"
other=()
if [ "$(id -u)" -eq 0 ]; then
  chown -R 64999:64999 "$(dirname "$second")"
  other=(setpriv --reuid 64999 --regid 64999 --clear-groups --no-new-privs)
else
  echo "release: not root, so that the second build is the same user's; only folder, time zone, language and umask differ"
fi
echo "release: second build, in $second${other:+ as user 64999}"
mask=077 surroundings=(TZ=Pacific/Kiritimati LC_ALL=C)
build "$second" "${other[@]}"

if ! diff -rq "$first/dist" "$second/dist" >&2; then
  keep=yes status=1
  fail "the two builds differ; they are kept below $work"
fi
echo "release: all $(find "$first/dist" -type f | wc -l) files are the same bytes in both builds"

rm -rf dist
mkdir dist
cp "$first"/dist/* dist/
(cd "$first" && scripts/release/provenance.py "$first/dist" "$first/dist/flense-$version.spdx.json,$first/dist/flense-$version-arm64.spdx.json" \
  scripts/release.sh "$version") >"dist/flense-$version.provenance.json"
(cd dist && LC_ALL=C && sha256sum flense* >SHA256SUMS)
key=${FLENSE_SIGNING_KEY:-}
if [ -n "$key" ]; then
  gpg --batch --yes --local-user "$key" --armor --output dist/SHA256SUMS.asc --detach-sign dist/SHA256SUMS
else
  echo "release: no key at hand (FLENSE_SIGNING_KEY), so that SHA256SUMS is not signed"
fi
cat dist/SHA256SUMS

row="{\"version\": \"$version\", \"sha256\": \"$(sha256sum "dist/flense-$version-linux-x86_64.tar.gz" | cut -d ' ' -f 1)\"}"
[ -z "$dry_run" ] || { echo "release: dry run, nothing committed or tagged; the row of flense in data/releases.json would be $row"; exit; }
git fetch -q "$first" HEAD
git merge -q --ff-only FETCH_HEAD
git tag ${key:+-u "$key"} -a -m "flense $version" "$tag"
cat <<NEXT
release: $tag is tagged. Next:
  git push origin main $tag     builds again and drafts the release
  publish the draft once its SHA256SUMS has the line of the tarball above, and upload the wheel to PyPI
  commit this row as the first of flense in data/releases.json: $row
NEXT
