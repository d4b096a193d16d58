// Pull and push streams. A Source hands out views that stay valid until its next call, so a mapped
// file is never copied and a decoder hands out its own buffer.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace flense {

class Source {
 public:
  Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  virtual ~Source() = default;

  /// At most `max` bytes (max > 0); an empty view is the end of the stream. The view is valid until
  /// the next call on this object or its destruction.
  virtual Result<Bytes> next(std::size_t max) = 0;

  /// The rest of the stream as one view when it already lies in memory (a mapped file), else
  /// empty: lets readers skip and look ahead without copying. Does not consume.
  virtual Bytes direct() const { return {}; }
};

class Sink {
 public:
  Sink() = default;
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  virtual ~Sink() = default;

  virtual Result<void> write(Bytes bytes) = 0;
  /// Flushes what an encoder holds back. Called once, after the last write; does not fsync.
  virtual Result<void> finish() { return {}; }
};

/// A view as a Source; the bytes must outlive it.
class MemorySource final : public Source {
 public:
  explicit MemorySource(Bytes bytes) : rest_(bytes) {}
  Result<Bytes> next(std::size_t max) override;
  Bytes direct() const override { return rest_; }

 private:
  Bytes rest_;
};

/// Reads a file descriptor (not owned) in blocks of 1 MiB.
class FdSource final : public Source {
 public:
  FdSource(int fd, std::string name);
  ~FdSource() override;
  Result<Bytes> next(std::size_t max) override;

 private:
  int fd_;
  std::string name_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
};

/// Writes to a file descriptor (not owned).
class FdSink final : public Sink {
 public:
  FdSink(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}
  Result<void> write(Bytes bytes) override;

 private:
  int fd_;
  std::string name_;
};

class StringSink final : public Sink {
 public:
  Result<void> write(Bytes bytes) override;
  const std::string& text() const { return text_; }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
};

class NullSink final : public Sink {
 public:
  Result<void> write(Bytes) override { return {}; }
};

/// Counts what passes through to `next`.
class CountingSink final : public Sink {
 public:
  explicit CountingSink(Sink& next) : next_(next) {}
  Result<void> write(Bytes bytes) override;
  Result<void> finish() override { return next_.finish(); }
  std::uint64_t count() const { return count_; }

 private:
  Sink& next_;
  std::uint64_t count_ = 0;
};

/// Moves everything; returns the number of bytes.
Result<std::uint64_t> copy_all(Source& from, Sink& to);
/// Reads to the end, refusing more than `limit` bytes.
Result<std::string> read_all(Source& from, std::uint64_t limit, std::string_view what);

}  // namespace flense
