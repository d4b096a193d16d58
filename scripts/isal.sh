#!/usr/bin/env bash
# Builds ISA-L's inflate and checksums as a static library from the distribution's source package, which
# packs it as a shared library alone. Nothing happens when it is there. Needs no root.
#
#   scripts/isal.sh [arm64]        into $XDG_CACHE_HOME/flense/isal, by default below ~/.cache; for another machine isal-arm64
set -euo pipefail

target=${XDG_CACHE_HOME:-$HOME/.cache}/flense/isal${1:+-$1}
case ${1:-} in
  '') machine=() guarded_branches=-fcf-protection=full ;;
  arm64) machine=(host_cpu=aarch64 arch=aarch64 CC=aarch64-linux-gnu-gcc AR=aarch64-linux-gnu-ar)
    guarded_branches=-mbranch-protection=standard ;;
  *) echo "isal: unknown machine '$1' (arm64)" >&2; exit 2 ;;
esac
here=$(realpath "$0")
made_by_this() { cmp -s "$here" "$target/recipe" && [ -f "$target/lib/libisal.a" ]; }
! made_by_this || exit 0
mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/sources" "$work/done/lib" "$work/done/include/isa-l"

echo "setup: building ISA-L from its source package"
# The sources beside the packages that the machine installs from; its own lists stay as they are.
for list in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ ! -f "$list" ] || sed -n 's/^[[:space:]]*deb[[:space:]]/deb-src /p' "$list" >>"$work/sources/all.list"
done
for list in /etc/apt/sources.list.d/*.sources; do
  [ ! -f "$list" ] || sed 's/^Types:.*/Types: deb-src/' "$list" >"$work/sources/$(basename "$list")"
done
from=(-q -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$work/sources"
  -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work" -o APT::Sandbox::User=root)
cd "$work"
# A source without source packages, somebody's own, is no matter.
apt-get "${from[@]}" update >log 2>&1 || true
apt-get "${from[@]}" source libisal >>log 2>&1 || { cat log >&2; exit 4; }
cd libisal-*/
# Hardened as the preset release hardens our files.
flags="-Wall -fPIE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection
  $guarded_branches -ftrivial-auto-var-init=zero -ffunction-sections -fdata-sections -frecord-gcc-switches
  -ffile-prefix-map=$PWD=."
# Its Makefile takes CFLAGS_ with the name of the architecture, which is empty for x86-64.
make -s -f Makefile.unx -j"$(nproc)" "${machine[@]}" units="crc igzip" CFLAGS_="${flags//$'\n'/ }" CFLAGS_aarch64="${flags//$'\n'/ }" lib >../log 2>&1 || { tail -50 ../log >&2; exit 4; }
cp bin/isa-l.a "$work/done/lib/libisal.a"
cp include/*.h "$work/done/include/isa-l/"
# For the bill of materials of a release.
sed -n 's/^\(Source\|Version\): //p' ../libisal_*.dsc | paste -sd ' ' >"$work/done/source"
sync "$work/done/lib/libisal.a"
cp "$here" "$work/done/recipe"
# Who comes second keeps what is there.
made_by_this || mv -T "$target" "$work/old" 2>/dev/null || true
mv -T "$work/done" "$target" 2>/dev/null || made_by_this
