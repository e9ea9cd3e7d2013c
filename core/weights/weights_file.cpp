// Finding the files, holding shards against their index, and reading through to them; see weights_file.h.
#include "core/weights/weights_file.h"

#include <cstring>
#include <filesystem>
#include <set>
#include <system_error>
#include <tuple>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_paths.h"
#include "core/weights/half.h"
#include "core/weights/weights_index.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

// In a folder, the first that exists is taken: the order of Hugging Face's libraries.
constexpr const char* kFolderFiles[] = {"model.safetensors", "model.safetensors.index.json",
                                        "pytorch_model.bin", "pytorch_model.bin.index.json"};
constexpr const char* kIndexEnd = ".index.json";

bool is_torch_name(const std::string& name) {
  return name.ends_with(".bin") || name.ends_with(".pt") || name.ends_with(".pth") || name.ends_with(".ckpt");
}
bool is_safetensors_name(const std::string& name) { return name.ends_with(".safetensors"); }

// A path that cannot be looked at is no folder: opening it says why.
bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// What a reader of the tensor gets, for both kinds of file alike.
std::optional<DType> read_dtype(const TensorInfo& info) {
  if (info.stored_dtype == "F16") return DType::f32;
  if (info.stored_dtype == "BOOL") return DType::u8;
  return info.dtype;
}
std::optional<DType> read_dtype(const TorchTensor& info) { return info.dtype; }

int64_t stored_bytes(const TensorInfo& info) { return info.end - info.begin; }
int64_t stored_bytes(const TorchTensor& info) { return info.shape.elements() * info.element_bytes; }

// The bytes of all tensors; `once` counts those that several names share a single time.
int64_t total_bytes(const SafetensorsFile& file, bool) {
  int64_t total = 0;
  for (const TensorInfo& tensor : file.tensors()) total += stored_bytes(tensor);
  return total;
}
int64_t total_bytes(const TorchFile& file, bool once) {
  int64_t total = 0;
  std::set<std::tuple<std::string, int64_t, std::vector<int64_t>>> counted;
  for (const TorchTensor& tensor : file.tensors()) {
    const bool is_new = counted.emplace(tensor.storage, tensor.offset, tensor.shape.dims()).second;
    if (is_new || !once) total += stored_bytes(tensor);
  }
  return total;
}

void read_safetensors(const SafetensorsFile& file, const WeightInfo& info, const Tensor& destination) {
  if (file.info(info.name).dtype) return file.read_into(info.name, destination);
  const auto bytes = file.bytes(info.name);
  if (info.stored_dtype == "F16") {
    widen_halves(bytes, destination.data<float>());
  } else if (!bytes.empty()) {
    std::memcpy(destination.raw(), bytes.data(), bytes.size());
  }
}

}  // namespace

std::optional<std::string> find_weights(const std::string& path) {
  if (!is_folder(path)) {
    const bool known = is_torch_name(path) || is_safetensors_name(path) || path.ends_with(kIndexEnd);
    return known ? std::optional(path) : std::nullopt;
  }
  for (const char* name : kFolderFiles) {
    const fs::path candidate = fs::path(path) / name;
    if (is_there(candidate.string())) return candidate.string();
  }
  return std::nullopt;
}

WeightsFile WeightsFile::open(const std::string& path) {
  const std::optional<std::string> found = find_weights(path);
  CHECK(found || !is_folder(path), path, ": no weights in this folder; needed ", kFolderFiles[0], ", ",
        kFolderFiles[1], ", ", kFolderFiles[2], " or ", kFolderFiles[3]);
  CHECK(found, path, ": not known as weights; needed .safetensors, .bin, .pt, .pth, .ckpt, ", kIndexEnd,
        " or a folder");
  WeightsFile weights;
  weights.path_ = *found;
  if (found->ends_with(kIndexEnd))
    weights.open_index(*found);
  else
    weights.add_shard(*found, is_torch_name(*found));
  return weights;
}

void WeightsFile::add_shard(const std::string& path, bool torch) {
  if (torch)
    shards_.emplace_back(std::in_place_type<TorchFile>, path);
  else
    shards_.emplace_back(std::in_place_type<SafetensorsFile>, path);
  const size_t number = files_.size();
  files_.push_back(path);
  const auto add = [&](const auto& file) {
    for (const auto& tensor : file.tensors()) {
      const auto [entry, is_new] = index_.emplace(tensor.name, tensors_.size());
      CHECK(is_new, path_, ": tensor ", escaped(tensor.name), " is in both ",
            files_[tensors_[entry->second].file], " and ", path);
      tensors_.push_back({tensor.name, tensor.stored_dtype, read_dtype(tensor), tensor.shape, number});
    }
  };
  std::visit(add, shards_.back());
}

void WeightsFile::open_index(const std::string& path) {
  sharded_ = true;
  const WeightsIndex index = parse_weights_index(read_text_file(path), path);
  const bool torch = is_torch_name(index.files.front());
  for (const std::string& name : index.files) {
    CHECK(torch ? is_torch_name(name) : is_safetensors_name(name), path, ": the files ",
          escaped(index.files.front()), " and ", escaped(name), " must be all safetensors or all PyTorch's");
    add_shard((fs::path(path).parent_path() / name).string(), torch);
  }
  std::vector<std::string> unlisted;
  for (const WeightInfo& tensor : tensors_) {
    const auto entry = index.file_of.find(tensor.name);
    if (entry == index.file_of.end()) {
      unlisted.push_back(tensor.name);
      continue;
    }
    CHECK(entry->second == index.files[tensor.file], path, ": tensor ", escaped(tensor.name), " is in ",
          files_[tensor.file], ", weight_map says ", entry->second);
  }
  // Whoever needs it says that it is missing.
  for (const auto& [name, file] : index.file_of) {
    if (!contains(name))
      warnings_.push_back(
          text(path, ": tensor ", escaped(name), " is not in ", file, ", as weight_map says"));
  }
  if (!unlisted.empty())
    warnings_.push_back(text(path, ": its weight_map does not list ", escaped(unlisted.front()),
                             unlisted.size() > 1 ? text(" and ", unlisted.size() - 1, " more") : "",
                             ", which the files hold: read all the same"));
  if (!index.total_size) return;
  int64_t all = 0, once = 0;
  for (const Shard& shard : shards_) {
    all += std::visit([](const auto& file) { return total_bytes(file, false); }, shard);
    once += std::visit([](const auto& file) { return total_bytes(file, true); }, shard);
  }
  // Writers differ in whether tied weights count once.
  if (*index.total_size != all && *index.total_size != once)
    warnings_.push_back(text(path, ": metadata.total_size is ", *index.total_size,
                             " bytes, the tensors have ", all, "; the index was not renewed with its files"));
}

std::vector<std::string> WeightsFile::names() const {
  std::vector<std::string> names;
  for (const WeightInfo& tensor : tensors_) names.push_back(tensor.name);
  return names;
}

const WeightInfo& WeightsFile::info(const std::string& name) const {
  const auto found = index_.find(name);
  CHECK(found != index_.end(), path_, ": no tensor ", name, " among its ", tensors_.size());
  return tensors_[found->second];
}

Tensor WeightsFile::read(const std::string& name) const {
  const WeightInfo& tensor = info(name);
  CHECK(tensor.dtype, files_[tensor.file], ": tensor ", name, " has the unsupported type ",
        tensor.stored_dtype, "; needed F32, BF16, F16, F64, I32, I64, U8, U16 or BOOL");
  const Tensor result = Tensor::empty(tensor.shape, *tensor.dtype);
  read_into(name, result);
  return result;
}

void WeightsFile::read_into(const std::string& name, const Tensor& destination) const {
  const WeightInfo& tensor = info(name);
  CHECK(tensor.shape == destination.shape() && tensor.dtype == destination.dtype(), files_[tensor.file],
        ": tensor ", name, " is ", tensor.shape, ' ', tensor.stored_dtype, ", needed ", destination.shape(),
        ' ', lf::name(destination.dtype()));
  const Shard& shard = shards_[tensor.file];
  if (const auto* file = std::get_if<SafetensorsFile>(&shard))
    read_safetensors(*file, tensor, destination);
  else
    std::get<TorchFile>(shard).read_into(name, destination);
}

const TorchFile* WeightsFile::torch() const {
  return shards_.size() == 1 ? std::get_if<TorchFile>(&shards_.front()) : nullptr;
}

void WeightsFile::verify() const {
  for (const Shard& shard : shards_) {
    if (const auto* file = std::get_if<TorchFile>(&shard)) file->verify();
  }
}

}  // namespace lf
