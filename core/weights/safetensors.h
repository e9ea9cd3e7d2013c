// Safetensors files: named tensors behind a JSON header, as github.com/huggingface/safetensors defines them.
// The reader maps the file and trusts nothing in it; the writer streams from the tensors' own memory and
// leaves a whole file or none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/hash.h"
#include "core/tensor.h"
#include "core/weights/safetensors_header.h"

namespace lf {

struct NamedTensor {
  std::string name;
  Tensor tensor;
};

// A file open for reading. Opening it checks the whole header: sizes, offsets that overlap, leave gaps or lie
// outside the file, shapes that contradict them, duplicates. Every Error names the file and the tensor.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  const SafetensorsMetadata& metadata() const { return metadata_; }
  // In the order of their bytes, which is the order in which write_safetensors was given them.
  const std::vector<TensorInfo>& tensors() const { return tensors_; }
  std::vector<std::string> names() const;

  bool contains(const std::string& name) const { return index_.contains(name); }
  const TensorInfo& info(const std::string& name) const;
  // The bytes as they lie in the file, valid as long as this object.
  std::span<const uint8_t> bytes(const std::string& name) const;
  // A copy; an Error if the tensor's type is one this program does not have.
  Tensor read(const std::string& name) const;
  // Copies into a tensor whose shape and dtype must be those in the file.
  void read_into(const std::string& name, const Tensor& destination) const;

 private:
  MappedFile file_;
  SafetensorsMetadata metadata_;
  std::vector<TensorInfo> tensors_;
  std::map<std::string, size_t> index_;
};

// What was written: the file's size and XXH3-128 hash, and the hash of each tensor's bytes, in order.
struct WrittenSafetensors {
  int64_t bytes = 0;
  std::string hash;
  std::vector<std::string> tensor_hashes;
};

// Writes a file whose tensors come one after the other, so that only one of them need be in memory. Until
// commit() returns, and for good if it is never called, whatever was at `path` before is still there.
class SafetensorsWriter {
 public:
  SafetensorsWriter(const std::string& path, std::vector<TensorSpec> tensors,
                    const SafetensorsMetadata& metadata = {});

  // The next tensor's values, in CPU memory; an Error if its shape or dtype is not the one announced.
  void write(const Tensor& tensor);
  // The next tensor piece by piece: its next entries along the first axis, the last of which completes it.
  void write_part(const Tensor& part);
  // Returns when the whole file is on the disk; an Error if tensors are missing.
  WrittenSafetensors commit();

 private:
  std::string path_;
  std::vector<TensorSpec> tensors_;
  AtomicFile file_;
  // The next tensor, which is to take `values`.
  const TensorSpec& next(const Tensor& values);
  void append(const Tensor& values);
  void end_tensor();

  ContentHash hash_, tensor_hash_;
  int64_t entries_ = 0;  // of the next tensor's first axis that are written
  WrittenSafetensors written_;
};

// Writes the tensors (in CPU memory) in the order given. The file is on the disk when this returns; on an
// Error whatever was at `path` before is still there.
WrittenSafetensors write_safetensors(const std::string& path, const std::vector<NamedTensor>& tensors,
                                     const SafetensorsMetadata& metadata = {});

// The size of the file that write_safetensors would write.
int64_t safetensors_bytes(const std::vector<NamedTensor>& tensors, const SafetensorsMetadata& metadata = {});

}  // namespace lf
