# Builds for 64-bit ARM on a machine of another kind: Debian's cross compiler, and its libraries beside those of the
# machine (scripts/setup.sh arm64). Programs that the build itself starts run under QEMU.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER aarch64-linux-gnu-gcc)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
# What x86-64 does without being asked, so that both print the same: char has a sign, a * b + c is rounded twice.
set(CMAKE_CXX_FLAGS_INIT "-fsigned-char -ffp-contract=off")
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64-static)
# FindOpenSSL asks it, and would be told the machine's own.
set(ENV{PKG_CONFIG_LIBDIR} /usr/lib/aarch64-linux-gnu/pkgconfig:/usr/share/pkgconfig)
