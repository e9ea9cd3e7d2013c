// Reading from the map and streaming to the disk; see safetensors.h and safetensors_header.h.
#include "core/weights/safetensors.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/failpoint.h"
#include "core/hash.h"
#include "core/weights/safetensors_header.h"

namespace lf {
namespace {

// Hashed and then written while it is still in the cache.
constexpr size_t kPiece = 1 << 20;

std::span<const uint8_t> bytes_of(const Tensor& tensor) {
  return {reinterpret_cast<const uint8_t*>(tensor.raw()), static_cast<size_t>(tensor.bytes())};
}

// Writes the bytes and adds them to the hashes.
void write_hashed(std::span<const uint8_t> bytes, AtomicFile& file, ContentHash& file_hash,
                  ContentHash& hash) {
  while (!bytes.empty()) {
    const std::span<const uint8_t> piece = bytes.first(std::min(kPiece, bytes.size()));
    hash.update(piece);
    file_hash.update(piece);
    file.write(piece);
    bytes = bytes.subspan(piece.size());
  }
}

std::vector<TensorSpec> specs_of(const std::vector<NamedTensor>& tensors) {
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : tensors) {
    CHECK(tensor.defined(), "safetensors: tensor ", escaped(name), " holds nothing");
    specs.push_back({name, tensor.dtype(), tensor.shape()});
  }
  return specs;
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
  file_.release(source);
}

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<TensorSpec> tensors,
                                     const SafetensorsMetadata& metadata)
    : path_(path), tensors_(std::move(tensors)), file_(path) {
  const std::string header = safetensors_header(tensors_, metadata);
  ContentHash own;
  write_hashed({reinterpret_cast<const uint8_t*>(header.data()), header.size()}, file_, hash_, own);
}

const TensorSpec& SafetensorsWriter::next(const Tensor& values) {
  const size_t next = written_.tensor_hashes.size();
  CHECK(next < tensors_.size(), path_, ": all of its ", tensors_.size(), " tensors are written already");
  CHECK(values.device() == Device::cpu, "safetensors: tensor ", escaped(tensors_[next].name),
        " is not in CPU memory");
  return tensors_[next];
}

void SafetensorsWriter::append(const Tensor& values) {
  reach_write("safetensors.before_tensor", path_);
  write_hashed(bytes_of(values), file_, hash_, tensor_hash_);
}

void SafetensorsWriter::end_tensor() {
  written_.tensor_hashes.push_back(tensor_hash_.hex());
  tensor_hash_ = ContentHash();
  entries_ = 0;
}

void SafetensorsWriter::write(const Tensor& tensor) {
  const TensorSpec& spec = next(tensor);
  CHECK(tensor.shape() == spec.shape && tensor.dtype() == spec.dtype && entries_ == 0, path_, ": tensor ",
        escaped(spec.name), " is ", tensor.shape(), ' ', name(tensor.dtype()), ", announced was ", spec.shape,
        ' ', name(spec.dtype));
  append(tensor);
  end_tensor();
}

void SafetensorsWriter::write_part(const Tensor& part) {
  const TensorSpec& spec = next(part);
  bool fits = part.dtype() == spec.dtype && part.shape().rank() == spec.shape.rank() &&
              spec.shape.rank() > 0 && part.dim(0) <= spec.shape[0] - entries_;
  for (int i = 1; fits && i < spec.shape.rank(); ++i) fits = part.dim(i) == spec.shape[i];
  CHECK(fits, path_, ": a part of tensor ", escaped(spec.name), " is ", part.shape(), ' ', name(part.dtype()),
        ", announced was ", spec.shape, ' ', name(spec.dtype), ", of which ", entries_, " are written");
  append(part);
  entries_ += part.dim(0);
  if (entries_ == spec.shape[0]) end_tensor();
}

WrittenSafetensors SafetensorsWriter::commit() {
  const size_t done = written_.tensor_hashes.size();
  CHECK(done == tensors_.size(), path_, ": ", done, " of its ", tensors_.size(), " tensors are written");
  reach_write("safetensors.before_commit", path_);
  file_.commit();
  written_.bytes = file_.size();
  written_.hash = hash_.hex();
  return written_;
}

WrittenSafetensors write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                                     const SafetensorsMetadata& metadata) {
  SafetensorsWriter writer(path, specs_of(tensors), metadata);
  for (const NamedTensor& entry : tensors) writer.write(entry.tensor);
  return writer.commit();
}

int64_t safetensors_bytes(const std::vector<NamedTensor>& tensors, const SafetensorsMetadata& metadata) {
  const std::vector<TensorSpec> specs = specs_of(tensors);
  auto bytes = static_cast<int64_t>(safetensors_header(specs, metadata).size());
  for (const TensorSpec& spec : specs) bytes += spec.bytes();
  return bytes;
}

}  // namespace lf
