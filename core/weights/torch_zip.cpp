// PyTorch's zip container by libzip, over the mapped file; see torch_zip.h.
#include "core/weights/torch_zip.h"

#include <zip.h>

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {
namespace {

constexpr int64_t kMostMembers = 1'000'000;
constexpr int64_t kLargestPickle = 256 << 20;
constexpr const char* kPickleName = "data.pkl";

struct CloseMember {
  void operator()(zip_file_t* member) const { zip_fclose(member); }
};
using OpenMember = std::unique_ptr<zip_file_t, CloseMember>;

zip_t* open_archive(std::span<const uint8_t> file, const std::string& path) {
  zip_error_t error;
  zip_error_init(&error);
  zip_source_t* const source = zip_source_buffer_create(file.data(), file.size(), 0, &error);
  zip_t* const archive = source ? zip_open_from_source(source, ZIP_RDONLY, &error) : nullptr;
  const std::string reason = archive ? "" : zip_error_strerror(&error);
  if (!archive && source) zip_source_free(source);
  zip_error_fini(&error);
  CHECK(archive, path, ": not a whole zip archive (", reason, "); was it cut short?");
  return archive;
}

}  // namespace

TorchZip::TorchZip(std::span<const uint8_t> file, std::string path)
    : path_(std::move(path)), archive_(open_archive(file, path_)) {
  try {
    const int64_t count = zip_get_num_entries(archive_, 0);
    CHECK(count <= kMostMembers, path_, ": ", count, " members, allowed are ", kMostMembers);
    for (int64_t i = 0; i < count; ++i) add_member(static_cast<uint64_t>(i));
    find_folder();
  } catch (...) {
    zip_discard(archive_);
    throw;
  }
}

TorchZip::~TorchZip() { zip_discard(archive_); }

void TorchZip::add_member(uint64_t index) {
  zip_stat_t entry;
  CHECK(zip_stat_index(archive_, index, 0, &entry) == 0, path_, ": member ", index,
        " cannot be read: ", zip_strerror(archive_));
  const std::string shown = escaped(entry.name);
  CHECK(entry.comp_method == ZIP_CM_STORE && entry.encryption_method == ZIP_EM_NONE, path_, ": member ",
        shown, " is compressed or encrypted; PyTorch stores its members as they are, pack the file again so");
  CHECK(entry.size == entry.comp_size && entry.size <= static_cast<uint64_t>(INT64_MAX), path_, ": member ",
        shown, " claims ", entry.size, " bytes in ", entry.comp_size);
  const bool is_new = members_.emplace(entry.name, Member{index, static_cast<int64_t>(entry.size)}).second;
  CHECK(is_new, path_, ": two members are called ", shown);
}

void TorchZip::find_folder() {
  int found = 0;
  for (const auto& [name, unused] : members_) {
    const size_t slash = name.find('/');
    if (slash == name.npos || name.substr(slash + 1) != kPickleName) continue;
    folder_ = name.substr(0, slash + 1);
    ++found;
  }
  CHECK(found > 0, path_, ": a zip archive without a member NAME/", kPickleName,
        ": not a PyTorch checkpoint");
  CHECK(found == 1, path_, ": several members are called NAME/", kPickleName);
  CHECK(
      !members_.contains(folder_ + "constants.pkl"), path_,
      ": a TorchScript program, needed a state dict; load it with torch.jit.load and save its state_dict()");
  const std::string order_name = folder_ + "byteorder";
  if (!members_.contains(order_name)) return;
  std::string order(static_cast<size_t>(std::min<int64_t>(member(order_name).bytes, 16)), '\0');
  CHECK(static_cast<int64_t>(order.size()) == member(order_name).bytes, path_,
        ": its byteorder is not a word");
  read_member(order_name, {reinterpret_cast<uint8_t*>(order.data()), order.size()});
  CHECK(order == "little", path_, ": byte order ", escaped(order), ", needed little");
}

const TorchZip::Member& TorchZip::member(const std::string& name) const {
  const auto found = members_.find(name);
  CHECK(found != members_.end(), path_, ": no member ", escaped(name), " in the archive");
  return found->second;
}

void TorchZip::read_member(const std::string& name, std::span<uint8_t> destination) const {
  const std::lock_guard lock(mutex_);
  const OpenMember opened(zip_fopen_index(archive_, member(name).index, 0));
  CHECK(opened, path_, ": member ", escaped(name), " cannot be read: ", zip_strerror(archive_));
  while (!destination.empty()) {
    const int64_t count = zip_fread(opened.get(), destination.data(), destination.size());
    CHECK(count > 0, path_, ": member ", escaped(name),
          " is damaged: ", count < 0 ? zip_file_strerror(opened.get()) : "it ends too early");
    destination = destination.subspan(static_cast<size_t>(count));
  }
  // The checksum is compared where the end is reached.
  uint8_t more = 0;
  const int64_t count = zip_fread(opened.get(), &more, 1);
  CHECK(count == 0, path_, ": member ", escaped(name),
        " is damaged: ", count < 0 ? zip_file_strerror(opened.get()) : "it is longer than it claims");
}

std::vector<uint8_t> TorchZip::pickle() const {
  const std::string name = folder_ + kPickleName;
  const int64_t bytes = member(name).bytes;
  CHECK(bytes <= kLargestPickle, path_, ": ", name, " has ", bytes, " bytes, allowed are ", kLargestPickle);
  std::vector<uint8_t> content(static_cast<size_t>(bytes));
  read_member(name, content);
  return content;
}

int64_t TorchZip::storage_bytes(const std::string& key) const {
  return member(folder_ + "data/" + key).bytes;
}

void TorchZip::read(const std::string& key, std::span<uint8_t> destination) const {
  const int64_t bytes = storage_bytes(key);
  CHECK(bytes == static_cast<int64_t>(destination.size()), path_, ": storage ", escaped(key), " has ", bytes,
        " bytes, needed ", destination.size());
  read_member(folder_ + "data/" + key, destination);
}

std::shared_ptr<const std::vector<uint8_t>> TorchZip::storage(const std::string& key) const {
  {
    const std::lock_guard lock(mutex_);
    if (kept_ && kept_key_ == key) return kept_;
  }
  auto content = std::make_shared<std::vector<uint8_t>>(static_cast<size_t>(storage_bytes(key)));
  read(key, *content);
  const std::lock_guard lock(mutex_);
  kept_key_ = key;
  return kept_ = std::move(content);
}

}  // namespace lf
