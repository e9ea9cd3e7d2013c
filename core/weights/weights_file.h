// A model's weights wherever they are: a safetensors file, a PyTorch checkpoint, either of them in shards
// with an index, or a folder that holds one of these.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/weights/safetensors.h"
#include "core/weights/torch_file.h"

namespace lf {

// One tensor of the weights.
struct WeightInfo {
  std::string name;
  std::string stored_dtype;    // in the spelling of safetensors
  std::optional<DType> dtype;  // of what is read: F16 becomes f32, BOOL u8; absent when there is no such type
  Shape shape;
  size_t file = 0;  // which of files()
};

// The file or index that WeightsFile::open takes for the path, by names alone; absent if there is none.
std::optional<std::string> find_weights(const std::string& path);

class WeightsFile {
 public:
  // `path` is a .safetensors, .bin, .pt, .pth or .ckpt file, an .index.json, or a folder, in which the first
  // of model.safetensors, its index, pytorch_model.bin, its index is taken. Of a sharded checkpoint every
  // tensor that the index lists must be in the shard that it names and in no other; tensors that it does not
  // list are read too, and so is a total size that is not theirs; warnings() says so. Throws Error.
  static WeightsFile open(const std::string& path);

  const std::string& path() const { return path_; }  // the file or index that was taken
  bool is_torch() const { return std::holds_alternative<TorchFile>(shards_.front()); }
  bool is_sharded() const { return sharded_; }
  const std::vector<std::string>& files() const { return files_; }
  // In the order of the files and within each of its own.
  const std::vector<WeightInfo>& tensors() const { return tensors_; }
  std::vector<std::string> names() const;

  // What was passed over while opening, for people.
  const std::vector<std::string>& warnings() const { return warnings_; }

  bool contains(const std::string& name) const { return index_.contains(name); }
  const WeightInfo& info(const std::string& name) const;
  // A copy in CPU memory; an Error if the tensor's type is one this program does not have.
  Tensor read(const std::string& name) const;
  // Copies into a tensor whose shape and dtype must be those of info().
  void read_into(const std::string& name, const Tensor& destination) const;
  // The PyTorch checkpoint that holds the only shard, null if there is none.
  const TorchFile* torch() const;
  // Finds damage by the checksums that the files have.
  void verify() const;

 private:
  using Shard = std::variant<SafetensorsFile, TorchFile>;
  WeightsFile() = default;
  void add_shard(const std::string& path, bool torch);
  void open_index(const std::string& path);

  std::string path_;
  bool sharded_ = false;
  std::vector<std::string> warnings_;
  std::vector<std::string> files_;
  std::vector<Shard> shards_;  // one for each file
  std::vector<WeightInfo> tensors_;
  std::map<std::string, size_t> index_;
};

}  // namespace lf
