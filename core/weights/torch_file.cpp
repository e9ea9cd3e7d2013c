// Opening either format, and gathering strided tensors; see torch_file.h.
#include "core/weights/torch_file.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/weights/half.h"
#include "core/weights/torch_legacy.h"
#include "core/weights/torch_types.h"

namespace lf {
namespace {

// Copies a view's elements one after the other.
void gather(const TorchTensor& tensor, const uint8_t* storage, uint8_t* destination) {
  // The last axes that lie without gaps are copied as one run.
  const auto& dims = tensor.shape.dims();
  int64_t run = 1;
  size_t axes = dims.size();
  while (axes > 0 && (dims[axes - 1] == 1 || tensor.strides[axes - 1] == run)) run *= dims[--axes];
  const auto run_bytes = static_cast<size_t>(run * tensor.element_bytes);
  std::vector<int64_t> at(axes, 0);
  int64_t element = tensor.offset;
  for (int64_t left = tensor.shape.elements(); left > 0; left -= run) {
    std::memcpy(destination, storage + element * tensor.element_bytes, run_bytes);
    destination += run_bytes;
    for (size_t axis = axes; axis-- > 0;) {
      element += tensor.strides[axis];
      if (++at[axis] < dims[axis]) break;
      element -= dims[axis] * tensor.strides[axis];
      at[axis] = 0;
    }
  }
}

std::span<uint8_t> bytes_to_fill(const Tensor& tensor) {
  return {reinterpret_cast<uint8_t*>(tensor.raw()), static_cast<size_t>(tensor.bytes())};
}

}  // namespace

TorchFile::TorchFile(const std::string& path) : file_(path) {
  if (is_zip(file_.bytes())) {
    open_zip();
  } else {
    const std::string packed = stand_in(as_text(file_.bytes()));
    CHECK(packed.empty(), path, ": ", packed);
    TorchLegacy legacy = parse_torch_legacy(file_.bytes(), path);
    contents_ = std::move(legacy.contents);
    storages_ = std::move(legacy.storages);
  }
  for (size_t i = 0; i < contents_.tensors.size(); ++i) index_[contents_.tensors[i].name] = i;
}

void TorchFile::open_zip() {
  zip_ = std::make_unique<TorchZip>(file_.bytes(), path());
  const std::vector<uint8_t> bytes = zip_->pickle();
  const std::string who = path() + ": data.pkl: ";
  const Pickle pickle = read_pickle(bytes, torch_globals(), who);
  CHECK(pickle.bytes == bytes.size(), who, bytes.size() - pickle.bytes, " bytes after its end");
  contents_ = torch_contents(pickle, who);
  for (const auto& [key, storage] : contents_.storages) {
    CHECK(zip_->storage_bytes(key) == storage.bytes, path(), ": storage ", escaped(key), " has ",
          zip_->storage_bytes(key), " bytes, its tensors need ", storage.bytes);
  }
}

std::vector<std::string> TorchFile::names() const {
  std::vector<std::string> names;
  for (const TorchTensor& tensor : tensors()) names.push_back(tensor.name);
  return names;
}

const TorchTensor& TorchFile::info(const std::string& name) const {
  const auto found = index_.find(name);
  CHECK(found != index_.end(), path(), ": no tensor ", name, " among its ", tensors().size());
  return tensors()[found->second];
}

std::vector<std::string> TorchFile::aliases(const std::string& name) const {
  const TorchTensor& tensor = info(name);
  std::vector<std::string> names;
  for (const TorchTensor& other : tensors()) {
    if (other.name != name && other.storage == tensor.storage && other.offset == tensor.offset &&
        other.shape == tensor.shape && other.strides == tensor.strides) {
      names.push_back(other.name);
    }
  }
  return names;
}

Tensor TorchFile::read(const std::string& name) const {
  const TorchTensor& tensor = info(name);
  CHECK(tensor.dtype, path(), ": tensor ", name, " has the unsupported type ", tensor.stored_dtype,
        "; needed F32, BF16, F16, F64, I32, I64, U8, U16 or BOOL");
  const Tensor result = Tensor::empty(tensor.shape, *tensor.dtype);
  copy(tensor, result);
  return result;
}

void TorchFile::read_into(const std::string& name, const Tensor& destination) const {
  const TorchTensor& tensor = info(name);
  CHECK(tensor.shape == destination.shape() && tensor.dtype == destination.dtype(), path(), ": tensor ", name,
        " is ", tensor.shape, ' ', tensor.stored_dtype, ", needed ", destination.shape(), ' ',
        lf::name(destination.dtype()));
  copy(tensor, destination);
}

void TorchFile::copy(const TorchTensor& tensor, const Tensor& destination) const {
  const int64_t bytes = tensor.shape.elements() * tensor.element_bytes;
  if (bytes == 0) return;
  const bool is_half = tensor.element_bytes < size_of(destination.dtype());
  const bool is_whole = tensor.contiguous() && bytes == contents_.storages.at(tensor.storage).bytes;
  if (zip_ && is_whole && !is_half) {  // the usual case: straight from the file to where it belongs
    zip_->read(tensor.storage, bytes_to_fill(destination));
    return;
  }
  std::shared_ptr<const std::vector<uint8_t>> owner;
  const Bytes source = storage(tensor.storage, owner);
  if (!is_half) return gather(tensor, source.data(), bytes_to_fill(destination).data());
  if (tensor.contiguous()) {
    const Bytes halves = source.subspan(static_cast<size_t>(tensor.offset * 2), static_cast<size_t>(bytes));
    return widen_halves(halves, destination.data<float>());
  }
  std::vector<uint8_t> halves(static_cast<size_t>(bytes));
  gather(tensor, source.data(), halves.data());
  widen_halves(halves, destination.data<float>());
}

TorchFile::Bytes TorchFile::storage(const std::string& key,
                                    std::shared_ptr<const std::vector<uint8_t>>& owner) const {
  if (!zip_) return storages_.at(key);
  owner = zip_->storage(key);
  return *owner;
}

void TorchFile::verify() const {
  if (!zip_) return;  // it has no checksums, and opening it has followed every storage
  for (const auto& [key, unused] : contents_.storages) static_cast<void>(zip_->storage(key));
}

}  // namespace lf
