#!/bin/sh
# rocm.sh SUITE PREFIX PACKAGE...: ROCm as a suite of Debian has it, below a folder of its own, where AMD's packages put it too.
# Only the files: nothing of another suite is installed into this one.
set -e
suite=$1 prefix=$2
shift 2
mirror=$(awk '$1 == "deb" { print $2; exit }' /etc/apt/sources.list)
echo "deb $mirror $suite main" > /etc/apt/sources.list.d/rocm.list
# A mirror of a suite that moves may stand still for a while.
apt-get -q -o Acquire::Check-Valid-Until=false update
mkdir -p /tmp/rocm "$prefix"
cd /tmp/rocm
for package; do
  apt-get -q -o APT::Sandbox::User=root download "$package/$suite"
  dpkg-deb -f ./*.deb Package Version >> "$prefix/packages"
  dpkg-deb --fsys-tarfile ./*.deb | tar -x -C "$prefix" --strip-components=2 ./usr
  rm ./*.deb
done
cd /
rm -rf /tmp/rocm /etc/apt/sources.list.d/rocm.list /var/lib/apt/lists/*
