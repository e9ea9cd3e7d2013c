// Reading from the map and streaming to the disk; see safetensors.h and safetensors_header.h.
#include "core/safetensors.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/check.h"
#include "core/failpoint.h"
#include "core/hash.h"
#include "core/safetensors_header.h"

namespace lf {
namespace {

// Hashed and then written while it is still in the cache.
constexpr size_t kPiece = 1 << 20;

std::span<const uint8_t> bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const uint8_t*>(tensor.raw()), static_cast<size_t>(tensor.bytes())};
}

void reach(const char* place, const std::string& path) {
  if (const int error = failpoint(place)) throw_file_error("write", path, error);
}

// Writes the bytes and adds them to the file's hash; returns their own hash.
std::string write_hashed(std::span<const uint8_t> bytes, AtomicFile& file, ContentHash& file_hash) {
  ContentHash hash;
  while (!bytes.empty()) {
    const std::span<const uint8_t> piece = bytes.first(std::min(kPiece, bytes.size()));
    hash.update(piece);
    file_hash.update(piece);
    file.write(piece);
    bytes = bytes.subspan(piece.size());
  }
  return hash.hex();
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::string& path) : file_(path) {
  SafetensorsHeader header = parse_safetensors_header(file_.bytes(), path);
  metadata_ = std::move(header.metadata);
  tensors_ = std::move(header.tensors);
  for (size_t i = 0; i < tensors_.size(); ++i) index_[tensors_[i].name] = i;
}

std::vector<std::string> SafetensorsFile::names() const {
  std::vector<std::string> names;
  for (const TensorInfo& tensor : tensors_) names.push_back(tensor.name);
  return names;
}

const TensorInfo& SafetensorsFile::info(const std::string& name) const {
  const auto found = index_.find(name);
  CHECK(found != index_.end(), path(), ": no tensor ", name, " among its ", tensors_.size());
  return tensors_[found->second];
}

std::span<const uint8_t> SafetensorsFile::bytes(const std::string& name) const {
  const TensorInfo& tensor = info(name);
  return file_.bytes().subspan(static_cast<size_t>(tensor.begin),
                               static_cast<size_t>(tensor.end - tensor.begin));
}

Tensor SafetensorsFile::read(const std::string& name) const {
  const TensorInfo& tensor = info(name);
  CHECK(tensor.dtype, path(), ": tensor ", name, " has the unsupported type ", tensor.stored_dtype,
        "; needed F32, BF16, F64, I32, I64, U8 or U16");
  Tensor result = Tensor::empty(tensor.shape, *tensor.dtype);
  read_into(name, result);
  return result;
}

void SafetensorsFile::read_into(const std::string& name, const Tensor& destination) const {
  const TensorInfo& tensor = info(name);
  CHECK(tensor.shape == destination.shape() && tensor.dtype == destination.dtype(), path(), ": tensor ", name,
        " is ", tensor.shape, ' ', tensor.stored_dtype, ", needed ", destination.shape(), ' ',
        lf::name(destination.dtype()));
  const std::span<const uint8_t> source = bytes(name);
  if (!source.empty()) std::memcpy(destination.raw(), source.data(), source.size());
}

WrittenSafetensors write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                                     const SafetensorsMetadata& metadata) {
  const std::string header = safetensors_header(tensors, metadata);
  AtomicFile file(path);
  ContentHash hash;
  WrittenSafetensors written;
  write_hashed({reinterpret_cast<const uint8_t*>(header.data()), header.size()}, file, hash);
  for (const NamedTensor& entry : tensors) {
    reach("safetensors.before_tensor", path);
    written.tensor_hashes.push_back(write_hashed(bytes_of(entry.tensor), file, hash));
  }
  reach("safetensors.before_commit", path);
  file.commit();
  written.bytes = file.size();
  written.hash = hash.hex();
  return written;
}

int64_t safetensors_bytes(const std::vector<NamedTensor>& tensors, const SafetensorsMetadata& metadata) {
  auto bytes = static_cast<int64_t>(safetensors_header(tensors, metadata).size());
  for (const NamedTensor& entry : tensors) bytes += entry.tensor.bytes();
  return bytes;
}

}  // namespace lf
