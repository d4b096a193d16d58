#!/usr/bin/env bash
# Installs what flense needs from the distribution: Debian 12 and 13, Ubuntu 24.04, as root or through sudo.
# ISA-L comes built from its source package (scripts/isal.sh). Nothing happens when everything is there.
#
#   scripts/setup.sh [build] [demo] [test] [bench] [dist] [arm64]     default: build demo test bench
set -euo pipefail
cd "$(dirname "$0")/.."

build="cmake ninja-build g++ pkg-config libfmt-dev nlohmann-json3-dev libcli11-dev libgtest-dev libgmock-dev
  librapidcheck-dev libzstd-dev zlib1g-dev libssl-dev libsquashfs-dev liblzma-dev liblz4-dev
  libseccomp-dev libyaml-dev libtomlplusplus-dev dpkg-dev nasm make git esbuild node-d3-hierarchy node-d3-selection"
demo="python3 python3-pip mmdebstrap debian-archive-keyring bubblewrap ca-certificates tar gzip"
test="python3 python3-pip python3-venv mmdebstrap debian-archive-keyring bubblewrap ca-certificates binutils gnupg
  elfutils patchelf gdb llvm-19 clang-19 clang-tools-19 clang-format-19 clang-tidy-19 libclang-rt-19-dev ccache skopeo umoci
  podman buildah crun runc golang-github-opencontainers-specs-dev python3-jsonschema uidmap docker.io containerd docker-registry squashfs-tools squashfs-tools-ng isal zstd lz4 xz-utils openssl attr libcap2-bin busybox-static strace
  groff-base libisal2 python3-yaml curl jq patch slurmctld slurmd slurm-client munge chromium"
bench="python3 python3-pip python3-venv libbenchmark-dev skopeo isal openssl gzip zstd podman docker-registry iproute2"
# libisal2 has the licence of what scripts/isal.sh builds.
dist="python3 libisal2"
# Beside those of build: what a build for 64-bit ARM links, and what starts it here. The same versions for both
# architectures, or the package manager refuses.
arm64="g++-aarch64-linux-gnu qemu-user-static"
for package in libfmt-dev libgtest-dev libgmock-dev librapidcheck-dev libzstd-dev zlib1g-dev libssl-dev libsquashfs-dev \
  liblzma-dev liblz4-dev libseccomp-dev libyaml-dev; do
  arm64+=" $package:arm64"
done

groups=("$@")
[ ${#groups[@]} -gt 0 ] || groups=(build demo test bench)
wanted=()
for group in "${groups[@]}"; do
  case $group in
    build | demo | test | bench | dist | arm64) read -r -d '' -a names <<<"${!group}" || true ;;
    *) echo "setup: unknown group '$group' (build, demo, test, bench, dist, arm64)" >&2; exit 2 ;;
  esac
  wanted+=("${names[@]}")
done

missing=()
for package in $(printf '%s\n' "${wanted[@]}" | sort -u); do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || { echo "setup: run as root, or install sudo: ${missing[*]}" >&2; exit 4; }
    as_root=(sudo)
  fi
  apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -q "$@"; }

  if [[ "${missing[*]}" = *:arm64* ]] && [[ $(dpkg --print-foreign-architectures) != *arm64* ]]; then
    echo "setup: letting the package manager know arm64"
    "${as_root[@]}" dpkg --add-architecture arm64
    apt update
  fi
  echo "setup: installing ${missing[*]}"
  # Lists are refreshed only when the packages cannot be found in those at hand.
  if ! apt install --no-install-recommends --simulate "${missing[@]}" >/dev/null 2>&1; then
    apt update
  fi
  if ! apt install --no-install-recommends "${missing[@]}"; then
    # The lists may be older than the mirror.
    apt update
    apt install --no-install-recommends "${missing[@]}"
  fi
fi

case " ${groups[*]} " in *" build "*) scripts/isal.sh ;; esac
case " ${groups[*]} " in *" arm64 "*) scripts/isal.sh arm64 ;; esac
