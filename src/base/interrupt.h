// The request to stop (Ctrl-C, SIGTERM from a batch system) as a value: long loops check it,
// unwind, and so remove what they had begun.
#pragma once

#include <pthread.h>

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

#include "base/file.h"

namespace flense {

/// Takes SIGINT, SIGTERM and SIGHUP for the whole process; to be made and started before any other
/// thread. The first of them requests a stop, and takes the thread that made this out of a read or
/// an open that waits for somebody else; a second one ends the process on the spot.
class InterruptWatch {
 public:
  InterruptWatch();
  InterruptWatch(const InterruptWatch&) = delete;
  InterruptWatch& operator=(const InterruptWatch&) = delete;
  /// Restores the previous handling of the signals.
  ~InterruptWatch();

  /// Signals that come earlier wait. Makes a thread; more than once is as once.
  void start();
  std::stop_token token() const { return source_.get_token(); }
  /// Ends the process by the signal that came, as callers expect (status 130, 143); returns when
  /// none did.
  void end_as_signalled();

 private:
  void watch();

  std::stop_source source_;
  sigset_t before_{};  ///< the signals that were blocked
  bool blocking_ = false;
  pthread_t maker_;
  UniqueFd signals_, quit_;
  std::atomic<int> signal_ = 0;
  std::jthread watcher_;
};

}  // namespace flense
