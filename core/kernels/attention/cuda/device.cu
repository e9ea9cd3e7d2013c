#include "core/kernels/attention/cuda/device.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

#include "core/recent.h"

namespace lf::kernels::cuda {
namespace {

// Lists one behind the other, the 4-byte ones first.
class Lists {
 public:
  template <class Values>
  int64_t append(const Values& values) {
    const auto offset = static_cast<int64_t>(bytes_.size());
    for (const auto value : values) {
      const auto number = static_cast<int32_t>(value);
      const auto* from = reinterpret_cast<const uint8_t*>(&number);
      bytes_.insert(bytes_.end(), from, from + sizeof(number));
    }
    return offset;
  }
  int64_t append_bytes(const std::vector<uint8_t>& values) {
    const auto offset = static_cast<int64_t>(bytes_.size());
    bytes_.insert(bytes_.end(), values.begin(), values.end());
    return offset;
  }
  const std::vector<uint8_t>& bytes() const { return bytes_; }

 private:
  std::vector<uint8_t> bytes_;
};

// A padded global token counts as padded.
std::vector<uint8_t> kinds_of(const WindowAttentionShape& shape) {
  const int64_t T = shape.T;
  std::vector<uint8_t> kinds(static_cast<size_t>(shape.B * T), static_cast<uint8_t>(TokenKind::local));
  const auto mark = [&](int64_t token, TokenKind kind) {
    kinds[static_cast<size_t>(token)] = static_cast<uint8_t>(kind);
  };
  if (shape.global_offsets) {
    for (int64_t b = 0; b < shape.B; ++b) {
      for (int64_t n = shape.global_offsets[b]; n < shape.global_offsets[b + 1]; ++n)
        mark(b * T + shape.global_positions[n], TokenKind::global);
    }
  }
  for (int64_t token = 0; shape.key_mask && token < shape.B * T; ++token) {
    if (shape.key_mask[token] == 0) mark(token, TokenKind::padded);
  }
  return kinds;
}

DeviceAttention describe(const WindowAttentionShape& shape) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max() / 4;  // room for sums of distances
  CHECK(shape.T <= kMost && shape.B <= kMost, "attention on the device: ", shape.B, " x ", shape.T,
        " tokens");
  DeviceAttention result;
  result.B = static_cast<int>(shape.B), result.T = static_cast<int>(shape.T);
  result.H = static_cast<int>(shape.H), result.K = static_cast<int>(shape.K);
  const int64_t most = std::max<int64_t>(shape.T - 1, 0);
  result.left = static_cast<int>(std::min(shape.left, most));
  result.right = static_cast<int>(std::min(shape.right, most));
  result.query_begin = static_cast<int>(shape.query_begin);
  result.query_end = static_cast<int>(shape.query_end < 0 ? shape.T : shape.query_end);
  result.scale = shape.scale;
  if (shape.dropout.active()) {
    result.dropout_key = shape.dropout.key;
    result.dropout_threshold = dropout_threshold(shape.dropout.probability);
    result.kept = 1 / (1 - shape.dropout.probability);
  }
  result.first_row = shape.first_row, result.first_token = shape.first_token;
  result.total_tokens = shape.total_tokens == 0 ? shape.T : shape.total_tokens;
  return result;
}

// Everything that the lists are made from.
std::string key_of(const WindowAttentionShape& shape) {
  std::string key = text(shape.B, ' ', shape.T, ' ', shape.dilation.size(), ' ', !shape.global_offsets, ' ',
                         !shape.key_mask, ' ');
  const auto append = [&](const auto* from, int64_t count) {
    key.append(reinterpret_cast<const char*>(from), static_cast<size_t>(count) * sizeof(*from));
  };
  append(shape.dilation.data(), std::ssize(shape.dilation));
  if (shape.global_offsets) {
    append(shape.global_offsets, shape.B + 1);
    append(shape.global_positions, shape.global_offsets[shape.B]);
  }
  if (shape.key_mask) append(shape.key_mask, shape.B * shape.T);
  return key;
}

ListsOnDevice upload(const WindowAttentionShape& shape) {
  Lists lists;
  ListsOnDevice result;
  if (std::ranges::any_of(shape.dilation, [](int32_t D) { return D != 1; })) {
    std::vector<int32_t> clipped = shape.dilation;  // a dilation beyond T reaches nothing either way
    for (int32_t& D : clipped) D = static_cast<int32_t>(std::clamp<int64_t>(shape.T, 1, D));
    result.dilations = lists.append(clipped);
  }
  if (shape.global_offsets) {
    const auto count = static_cast<size_t>(shape.global_offsets[shape.B]);
    result.offsets = lists.append(std::span(shape.global_offsets, static_cast<size_t>(shape.B) + 1));
    result.positions = lists.append(std::span(shape.global_positions, count));
    for (int64_t b = 0; b < shape.B; ++b) {
      const int64_t globals = shape.global_offsets[b + 1] - shape.global_offsets[b];
      result.most_globals = std::max(result.most_globals, static_cast<int>(globals));
    }
  }
  if (shape.key_mask || shape.global_offsets) result.kinds = lists.append_bytes(kinds_of(shape));
  const auto length = static_cast<int64_t>(lists.bytes().size());
  if (length > 0) result.memory = Tensor::from({length}, lists.bytes()).to(Device::cuda);
  return result;
}

// All layers of a model, and forward and backward, ask for the lists of one batch.
ListsOnDevice lists_of(const WindowAttentionShape& shape) {
  constexpr size_t kMost = 16;  // patterns of dilation in a model, and a batch before
  static std::mutex mutex;
  static auto& recent = *new Recent<std::string, ListsOnDevice>(kMost);  // outlives other statics
  const std::lock_guard lock(mutex);
  return recent.get(key_of(shape), [&] { return upload(shape); });
}

}  // namespace

AttentionOnDevice::AttentionOnDevice(const WindowAttentionShape& shape) : view_(describe(shape)) {
  if (shape.dilation.empty() && !shape.key_mask && !shape.global_offsets) return;
  lists_ = lists_of(shape);
  view_.most_globals = lists_.most_globals;
  const auto at = [&](int64_t offset) {
    return offset < 0 ? nullptr : lists_.memory.device_data<uint8_t>() + offset;
  };
  const auto numbers = [&](int64_t offset) { return reinterpret_cast<const int32_t*>(at(offset)); };
  view_.dilations = numbers(lists_.dilations);
  view_.global_offsets = numbers(lists_.offsets), view_.global_positions = numbers(lists_.positions);
  view_.kinds = at(lists_.kinds);
}

}  // namespace lf::kernels::cuda
