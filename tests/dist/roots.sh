#!/usr/bin/env bash
# Installs what `make dist` wrote as a stranger does, each file with its ecosystem's own client, in minimal roots of
# distributions, and does the main jobs there on a real image.
#
#   tests/dist/roots.sh [SUITE…]     default: bookworm trixie
#
# DIST names the folder of the files (dist), IMAGE a docker-archive (that of make demo). Takes root, mmdebstrap, a mirror
# of the suites, PyPI for uv and pip, and some 3 GB in TMPDIR; nothing inside a root reaches the network.
set -euo pipefail
cd "$(dirname "$0")/../.."
dist=$(realpath "${DIST:-dist}")
image=$(realpath "${IMAGE:-$HOME/.cache/flense/images/small.tar}")
[ $# -gt 0 ] || set -- bookworm trixie
(cd "$dist" && sha256sum --quiet --strict -c SHA256SUMS)
mirror=$(sed -n 's/^URIs: *//p' /etc/apt/sources.list.d/debian.sources 2>/dev/null | head -1)
work=$(mktemp -d "${TMPDIR:-/var/tmp}/flense-roots-XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
mkdir "$work/files"
cp "$dist"/flense* "$work/files/"
python3 -m pip download --quiet --no-deps --only-binary=:all: --dest "$work/files" uv pip # pipx of trixie wants a newer pip
# A package index of one project (PEP 503), and an older release to come from and go back to.
mkdir -p "$work/files/simple/flense"
wheel=$(basename "$dist"/flense-*x86_64.whl)
cp "$dist/$wheel" "$work/files/simple/flense/"
echo "<!DOCTYPE html><a href=\"$wheel\">$wheel</a>" >"$work/files/simple/flense/index.html"
dpkg-deb -R "$dist"/flense_*_amd64.deb "$work/older"
sed -i 's/^Version: .*/Version: 0.0.1/' "$work/older/DEBIAN/control"
dpkg-deb --root-owner-group -b "$work/older" "$work/files/older.deb" >/dev/null

# A machine with a GPU, for units to remove.
python3 -c 'import sys; sys.path.insert(0, "tests/e2e"); import hosts; hosts.make("h100", sys.argv[1])' "$work/machine"

# What happens in the root, each line of which has to hold.
cat >"$work/inside.sh" <<'INSIDE'
set -eEuo pipefail
step() { echo "  $*"; }
trap 'echo "inside.sh:$LINENO: $BASH_COMMAND" >&2' ERR
# jobs PROGRAM: the three first things, lint, and run.
jobs() {
  "$@" --version >/dev/null
  "$@" inspect docker-archive:/image.tar --gpu h100 >/tmp/inspected
  grep -q sm_90 /tmp/inspected
  "$@" slim docker-archive:/image.tar --gpu h100 --dry-run >/tmp/planned
  grep -q 'sm_90' /tmp/planned
  "$@" check docker-archive:/image.tar --host a100@580.65.06 >/tmp/checked
  "$@" lint /project >/tmp/linted && exit 1
  grep -q driver-package-installed /tmp/linted
}
mkdir -p /project
printf 'FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04\nRUN apt-get update && apt-get install -y libcuda1\n' >/project/Dockerfile
cd /tmp
deb=$(echo /files/flense_*_amd64.deb)

step "dpkg -i: $(basename "$deb")"
dpkg -i "$deb" >/dev/null
jobs flense
test -e /usr/share/man/man1/flense.1.gz || test -e /etc/dpkg/dpkg.cfg.d/01_nodoc
test -e /usr/share/bash-completion/completions/flense
step "slim writes an image, run starts it"
flense slim docker-archive:/image.tar --gpu h100 -o oci:/tmp/slim >/dev/null
test "$(flense run oci:/tmp/slim python3 -c 'import ctranslate2; print(6 * 7)')" = 42
flense run docker-archive:/image.tar cat /etc/os-release >/tmp/release
grep -q '^ID=' /tmp/release
step "downgrade and upgrade with a full cache"
test -n "$(ls -A /root/.cache/flense)"
dpkg -i /files/older.deb >/dev/null 2>&1
jobs flense
dpkg -i "$deb" >/dev/null
jobs flense
flense cache verify >/tmp/verified || { cat /tmp/verified; exit 1; }
step "remove leaves no units, purge no cache"
flense cdi install --engine podman --refresh --root /machine --vendor flense.dev >/dev/null
mkdir -p /etc/systemd/system /etc/udev/rules.d
cp -a /machine/etc/systemd/system/. /etc/systemd/system/
cp -a /machine/etc/udev/rules.d/. /etc/udev/rules.d/
test -n "$(find /etc/systemd -name '*flense*')"
dpkg -r flense >/dev/null
test ! -e /usr/bin/flense
test -z "$(find /etc/systemd /etc/udev -name '*flense*')"
dpkg -P flense >/dev/null
test ! -e /root/.cache/flense
test -z "$(find / -xdev -name '*flense*' -not -path '/files*' -not -path '/tmp/*' -not -path '/machine/*' -not -path '/proc/*')"
hash -r

step "tarball: tar -C /usr/local"
tar -xzf /files/flense-*-linux-x86_64.tar.gz -C /usr/local --strip-components=1
jobs /usr/local/bin/flense
flense run docker-archive:/image.tar true
rm /usr/local/bin/flense

step "pip install"
python3 -m venv /tmp/venv
/tmp/venv/bin/pip install --quiet --no-index --find-links /files/simple/flense flense
jobs /tmp/venv/bin/flense
/tmp/venv/bin/flense run docker-archive:/image.tar true

step "pipx install, pipx run"
PIP_NO_INDEX=1 PIP_FIND_LINKS="/files/simple/flense /files" pipx install flense >/tmp/pipx 2>&1 || { cat /tmp/pipx; exit 1; }
jobs /root/.local/bin/flense
/root/.local/bin/flense run docker-archive:/image.tar true

step "uvx, uv tool install"
/tmp/venv/bin/pip install --quiet --no-index --find-links /files uv
export UV_OFFLINE=1 UV_FIND_LINKS=/files/simple/flense UV_NO_INDEX=1 UV_PYTHON_DOWNLOADS=never
jobs /tmp/venv/bin/uvx --quiet flense
/tmp/venv/bin/uvx --quiet flense run docker-archive:/image.tar true
/tmp/venv/bin/uv tool install --quiet --force flense
cmp /root/.local/bin/flense /tmp/venv/bin/flense
INSIDE

for suite in "$@"; do
  root=$work/$suite
  mmdebstrap --quiet --variant=minbase --include=crun,python3-venv,pipx,gzip "$suite" "$root" ${mirror:+"$mirror"}
  mkdir -p "$root/files"
  cp -r "$work/files/." "$root/files/"
  cp -a "$work/inside.sh" "$work/machine" "$root/"
  touch "$root/image.tar"
  echo "$suite: $(. "$root/etc/os-release" && echo "$PRETTY_NAME"), dpkg $(chroot "$root" dpkg-query -W -f '${Version}' dpkg)"
  # A root of its own and not a chroot, in which no user namespace can be made; without a network.
  unshare --mount --net --fork --pid bash -euc '
    mount --make-rprivate /
    mount --bind "$0" "$0"
    mount --bind -o ro "$1" "$0/image.tar"
    cd "$0"
    mkdir -p .old
    mount -t proc proc proc && mount --rbind /dev dev && mount --rbind /sys sys
    pivot_root . .old
    cd / && umount -l /.old
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 bash /inside.sh </dev/null
  ' "$root" "$image"
  rm -rf --one-file-system "$root"
done
echo "every file works in $*"
