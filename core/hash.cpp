#include "core/hash.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "core/check.h"
#include "core/files.h"

namespace lf {
namespace {

std::string to_hex(std::span<const uint8_t> bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * bytes.size());
  for (const uint8_t byte : bytes) {
    hex += kDigits[byte >> 4];
    hex += kDigits[byte & 15];
  }
  return hex;
}

std::string to_hex(XXH128_hash_t hash) {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, hash);
  return to_hex(std::span<const uint8_t>(canonical.digest));
}

const EVP_MD* algorithm(Digest kind) {
  switch (kind) {
    case Digest::kMd5:
      return EVP_md5();
    case Digest::kSha1:
      return EVP_sha1();
    case Digest::kSha256:
      return EVP_sha256();
  }
  throw Error("digest: unknown kind of checksum");
}

}  // namespace

ContentHash::ContentHash() : state_(XXH3_createState()) {
  CHECK(state_ && XXH3_128bits_reset(state_.get()) == XXH_OK, "content hash: out of memory");
}

void ContentHash::update(std::span<const uint8_t> bytes) {
  CHECK(XXH3_128bits_update(state_.get(), bytes.data(), bytes.size()) == XXH_OK,
        "content hash: no bytes given");
}

std::string ContentHash::hex() const { return to_hex(XXH3_128bits_digest(state_.get())); }

std::string content_hash(std::span<const uint8_t> bytes) {
  return to_hex(XXH3_128bits(bytes.data(), bytes.size()));
}

HashedFile content_hash_of_file(const std::string& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) throw_file_error("open", path, errno);
  HashedFile result;
  ContentHash hash;
  std::vector<uint8_t> piece(1 << 20);
  ssize_t got = 0;
  while ((got = ::read(file, piece.data(), piece.size())) > 0 || (got < 0 && errno == EINTR)) {
    if (got < 0) continue;
    hash.update({piece.data(), static_cast<size_t>(got)});
    result.bytes += got;
  }
  const int error = errno;
  ::close(file);
  if (got < 0) throw_file_error("read", path, error);
  result.hash = hash.hex();
  return result;
}

std::string digest(Digest kind, std::span<const uint8_t> bytes) {
  uint8_t result[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const int done = EVP_Digest(bytes.data(), bytes.size(), result, &size, algorithm(kind), nullptr);
  CHECK(done == 1, "digest: the system's cryptography library refuses ", EVP_MD_get0_name(algorithm(kind)));
  return to_hex({result, size});
}

std::string digest_of_file(Digest kind, const std::string& path) {
  return digest(kind, MappedFile(path).bytes());
}

}  // namespace lf
