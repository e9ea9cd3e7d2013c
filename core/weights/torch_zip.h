// The zip container of PyTorch 1.6 and later: NAME/data.pkl describes the tensors, NAME/data/KEY holds each
// storage. Members are stored as they are; compressed or encrypted ones are refused.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

struct zip;

namespace lf {

class TorchZip {
 public:
  // The file's bytes must outlive the object; `path` is for the messages.
  TorchZip(std::span<const uint8_t> file, std::string path);
  ~TorchZip();

  // The object pickle.
  std::vector<uint8_t> pickle() const;
  // A storage's size; an Error if there is no storage of that key.
  int64_t storage_bytes(const std::string& key) const;
  // Copies a whole storage, checking its checksum; the sizes must agree.
  void read(const std::string& key, std::span<uint8_t> destination) const;
  // The same in memory of its own. The storage asked for last is kept, as views of it tend to follow.
  std::shared_ptr<const std::vector<uint8_t>> storage(const std::string& key) const;

 private:
  struct Member {
    uint64_t index = 0;
    int64_t bytes = 0;
  };
  void add_member(uint64_t index);
  void find_folder();
  const Member& member(const std::string& name) const;
  void read_member(const std::string& name, std::span<uint8_t> destination) const;

  std::string path_;
  ::zip* archive_ = nullptr;
  std::map<std::string, Member> members_;
  std::string folder_;        // "archive/"
  mutable std::mutex mutex_;  // of the archive, which is for one thread at a time, and of what is kept
  mutable std::string kept_key_;
  mutable std::shared_ptr<const std::vector<uint8_t>> kept_;
};

}  // namespace lf
