// Hashes as lower-case hex: XXH3-128 guards our own files against damage (tens of GB/s); MD5, SHA-1 and
// SHA-256 exist to compare with checksums that others published.
#pragma once

#include <xxhash.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace lf {

// The bytes of numbers as memory has them.
template <class T>
std::span<const uint8_t> bytes_of(const std::vector<T>& values) {
  return {reinterpret_cast<const uint8_t*>(values.data()), values.size() * sizeof(T)};
}

// XXH3-128 of bytes that arrive in pieces; any division into pieces gives the same hash.
class ContentHash {
 public:
  ContentHash();
  void update(std::span<const uint8_t> bytes);
  // 32 hex digits of everything so far.
  std::string hex() const;

 private:
  struct Free {
    void operator()(XXH3_state_t* state) const { XXH3_freeState(state); }
  };
  std::unique_ptr<XXH3_state_t, Free> state_;
};

// XXH3-128 of the bytes, 32 hex digits.
std::string content_hash(std::span<const uint8_t> bytes);
struct HashedFile {
  std::string hash;  // XXH3-128, 32 hex digits
  int64_t bytes = 0;
};
// Hash and size of what a file holds; read rather than mapped, so that an unreadable sector is an Error and
// not a signal. Throws Error when it cannot be read.
HashedFile content_hash_of_file(const std::string& path);

enum class Digest { kMd5, kSha1, kSha256 };

// A published kind of checksum of the bytes: 32, 40 or 64 hex digits. Throws Error where the system's
// cryptography library forbids the kind (MD5 on some locked-down machines).
std::string digest(Digest kind, std::span<const uint8_t> bytes);
std::string digest_of_file(Digest kind, const std::string& path);

}  // namespace lf
