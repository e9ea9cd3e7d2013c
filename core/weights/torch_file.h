// PyTorch checkpoints (.bin, .pt, .pth): the tensors of a state dict, from both of PyTorch's formats. The
// pickle inside is read as a description; nothing is ever executed, and whatever is no tensor is an Error or
// left aside.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/files.h"
#include "core/weights/torch_contents.h"
#include "core/weights/torch_zip.h"

namespace lf {

// A file open for reading. Opening it checks the container, the pickle and that every tensor lies within its
// storage; reading a storage from a zip checks its checksum. A state dict under "state_dict",
// "model_state_dict" or "model" is taken from there; tensors in other nested dictionaries are named
// OUTER.INNER. Numbers, texts and lists are left aside. Every Error names the file and what is wrong in it.
class TorchFile {
 public:
  explicit TorchFile(const std::string& path);

  const std::string& path() const { return file_.path(); }
  bool is_legacy() const { return zip_ == nullptr; }  // the format before PyTorch 1.6
  // The entry that holds the state dict, "" if that is the whole; and the entries beside it, unread.
  const std::string& wrapper() const { return contents_.wrapper; }
  const std::vector<std::string>& left_out() const { return contents_.left_out; }
  // In the order of the state dict. Tied weights appear under each of their names.
  const std::vector<TorchTensor>& tensors() const { return contents_.tensors; }
  std::vector<std::string> names() const;

  bool contains(const std::string& name) const { return index_.contains(name); }
  const TorchTensor& info(const std::string& name) const;
  // The other names of exactly the same elements.
  std::vector<std::string> aliases(const std::string& name) const;
  // A contiguous copy in CPU memory, F16 as f32 and BOOL as u8; an Error for types this program has not.
  Tensor read(const std::string& name) const;
  // Copies into a tensor whose shape and dtype must be those of info().
  void read_into(const std::string& name, const Tensor& destination) const;
  // Reads every storage once, so that damage is found.
  void verify() const;

 private:
  using Bytes = std::span<const uint8_t>;
  void open_zip();
  void copy(const TorchTensor& tensor, const Tensor& destination) const;
  Bytes storage(const std::string& key, std::shared_ptr<const std::vector<uint8_t>>& owner) const;

  MappedFile file_;
  std::unique_ptr<TorchZip> zip_;          // of the newer format
  std::map<std::string, Bytes> storages_;  // of the legacy format
  TorchContents contents_;
  std::map<std::string, size_t> index_;
};

}  // namespace lf
