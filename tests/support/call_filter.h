// What the kernel would answer to a system call under a seccomp filter: for tests that no kernel is
// asked in, which an emulator has not. Only the instructions that our filters use (seccomp(2)).
#pragma once

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstdint>
#include <cstring>
#include <vector>

namespace flense::testing {

inline std::uint32_t answer_of(const std::vector<sock_filter>& program, const seccomp_data& call) {
  std::uint32_t value = 0;
  for (std::size_t at = 0; at < program.size(); ++at) {
    const sock_filter& one = program[at];
    switch (one.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (one.k > sizeof call - sizeof value) {
          ADD_FAILURE() << "a load beyond the call at " << one.k;
          return 0;
        }
        std::memcpy(&value, reinterpret_cast<const char*>(&call) + one.k, sizeof value);
        break;
      case BPF_JMP | BPF_JEQ | BPF_K:
        at += value == one.k ? one.jt : one.jf;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        at += value >= one.k ? one.jt : one.jf;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        at += (value & one.k) != 0 ? one.jt : one.jf;
        break;
      case BPF_RET | BPF_K:
        return one.k;
      default:
        ADD_FAILURE() << "unknown instruction " << one.code;
        return 0;
    }
  }
  ADD_FAILURE() << "the program runs over its end";
  return 0;
}

}  // namespace flense::testing
