// The ids of pieces seen before: text repeats its words, and a look-up is ten times faster than merging.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

namespace lf {

// For one thread at a time. Fixed in size: each piece has one slot, which the latest owner keeps.
class PieceCache {
 public:
  // Appends the ids of the piece if it is known; otherwise calls make(piece, ids), which appends them, and
  // keeps what it appended.
  template <class Make>
  void append(std::string_view piece, std::vector<int32_t>& ids, Make&& make) {
    if (piece.size() > kLongestPiece) return make(piece, ids);
    Key key{};
    std::memcpy(key.data(), piece.data(), piece.size());
    Slot& slot = slots_[hash(key, piece.size())];
    if (slot.length != piece.size() || slot.key != key) {
      const size_t before = ids.size();
      make(piece, ids);
      const size_t count = ids.size() - before;
      if (count > slot.ids.size()) return;
      slot.key = key;
      slot.length = static_cast<uint8_t>(piece.size());
      slot.count = static_cast<uint8_t>(count);
      std::copy(ids.end() - static_cast<int64_t>(count), ids.end(), slot.ids.begin());
      return;
    }
    ids.insert(ids.end(), slot.ids.begin(), slot.ids.begin() + slot.count);
  }

 private:
  static constexpr size_t kLongestPiece = 16, kMostIds = 6;
  static constexpr int kBits = 15;  // 44 bytes a slot: 1.4 MB
  using Key = std::array<char, kLongestPiece>;
  struct Slot {
    Key key;
    uint8_t length = 0, count = 0;  // length 0: never used
    std::array<int32_t, kMostIds> ids;
  };

  static size_t hash(const Key& key, size_t length) {
    uint64_t low = 0, high = 0;
    std::memcpy(&low, key.data(), sizeof low);
    std::memcpy(&high, key.data() + sizeof low, sizeof high);
    uint64_t mixed = (low ^ length) * 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ mixed >> 32 ^ high) * 0xD6E8FEB86659FD93u;
    return (mixed ^ mixed >> 32) * 0xD6E8FEB86659FD93u >> (64 - kBits);
  }

  std::vector<Slot> slots_ = std::vector<Slot>(size_t{1} << kBits);
};

// Caches lent to threads: as many as were ever in use at once.
class PieceCaches {
 public:
  // Calls f(cache) with a cache that nobody else uses meanwhile.
  template <class F>
  void use(F&& f) {
    std::unique_ptr<PieceCache> cache = take();
    f(*cache);
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(cache));
  }

 private:
  std::unique_ptr<PieceCache> take() {
    {
      const std::lock_guard lock(mutex_);
      if (!free_.empty()) {
        std::unique_ptr<PieceCache> cache = std::move(free_.back());
        free_.pop_back();
        return cache;
      }
    }
    return std::make_unique<PieceCache>();
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<PieceCache>> free_;
};

}  // namespace lf
