#include "core/kernels/attention/cuda/device.h"

#include <algorithm>
#include <limits>
#include <mutex>
#include <string>
#include <utility>
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

bool are_equal(const AttentionShape& shape) { return shape.N == shape.B * shape.T; }

// A padded global token counts as padded.
std::vector<uint8_t> kinds_of(const AttentionCall& call) {
  std::vector<uint8_t> kinds(static_cast<size_t>(call.tokens()), static_cast<uint8_t>(TokenKind::local));
  for (int64_t b = 0; call.globals && b < call.sequences(); ++b) {
    for (int64_t n = call.globals->offsets[b]; n < call.globals->offsets[b + 1]; ++n) {
      const int64_t row = call.begin(b) + call.globals->positions[n];
      kinds[static_cast<size_t>(row)] = static_cast<uint8_t>(TokenKind::global);
    }
  }
  if (!call.mask.defined()) return kinds;
  const uint8_t* const mask = call.mask.data<uint8_t>();
  for (size_t row = 0; row < kinds.size(); ++row) {
    if (mask[row] == 0) kinds[row] = static_cast<uint8_t>(TokenKind::padded);
  }
  return kinds;
}

// N tokens of B sequences, T of the longest.
DeviceAttention describe(int64_t B, int64_t N, int64_t T, int64_t H, int64_t K, double scale,
                         const Dropout& dropout) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max() / 4;  // room for sums of distances
  CHECK(N <= kMost && B <= kMost, "attention on the device: ", N, " tokens of ", B, " sequences");
  DeviceAttention result;
  result.B = static_cast<int>(B), result.T = static_cast<int>(T), result.N = static_cast<int>(N);
  result.H = static_cast<int>(H), result.K = static_cast<int>(K);
  result.scale = scale;
  if (dropout.active()) {
    result.dropout_key = dropout.key;
    result.dropout_threshold = dropout_threshold(dropout.probability);
    result.kept = 1 / (1 - dropout.probability);
  }
  return result;
}

DeviceAttention describe(const AttentionShape& shape) {
  const AttentionCall& call = shape.call;
  DeviceAttention result = describe(shape.B, shape.N, shape.T, shape.H, shape.K, call.scale, call.dropout);
  const int64_t most = std::max<int64_t>(shape.T - 1, 0);
  result.left = static_cast<int>(std::min(call.left, most));
  result.right = static_cast<int>(std::min(call.right, most));
  result.query_begin = static_cast<int>(call.query_begin);
  result.query_end = static_cast<int>(call.query_end < 0 ? shape.T : call.query_end);
  result.first_row = call.first_row, result.first_token = result.first_key = call.first_token;
  result.total_queries = result.total_keys = call.total_tokens == 0 ? shape.T : call.total_tokens;
  return result;
}

DeviceAttention describe(const DenseShape& shape) {
  const DenseCall& call = shape.call;
  DeviceAttention result =
      describe(shape.B, shape.N, shape.most_keys(), shape.H, shape.K, call.scale, call.dropout);
  result.causal = call.causal;
  result.first_row = call.first_row, result.first_key = call.first_key;
  result.total_queries = shape.total_queries(), result.total_keys = shape.total_keys();
  return result;
}

// Everything that lists are made from, as bytes.
class ListsKey {
 public:
  explicit ListsKey(std::string begin) : key_(std::move(begin)) {}

  template <class Values>
  ListsKey& append(const Values& values) {
    return append(values.data(), std::ssize(values));
  }
  template <class Value>
  ListsKey& append(const Value* from, int64_t count) {
    key_ += text(count, ' ');
    if (count > 0)
      key_.append(reinterpret_cast<const char*>(from), static_cast<size_t>(count) * sizeof(Value));
    return *this;
  }
  ListsKey& append_mask(const Tensor& mask) {
    return mask.defined() ? append(mask.data<uint8_t>(), mask.elements()) : append(std::vector<uint8_t>());
  }
  const std::string& bytes() const { return key_; }

 private:
  std::string key_;
};

// What dropout counts global tokens as that a slice brings along; empty: their positions.
std::vector<int64_t> places_of(const AttentionCall& call) {
  std::vector<int64_t> places;
  if (!call.dropout.active()) return places;
  for (const int64_t place : call.global_places) places.push_back(place - call.first_token);
  return places;
}

std::string key_of(const AttentionShape& shape) {
  const AttentionCall& call = shape.call;
  ListsKey key(text("window ", shape.B, ' ', shape.T, ' '));
  key.append(are_equal(shape) ? std::vector<int64_t>() : call.offsets).append(call.dilation);
  if (call.globals) key.append(call.globals->offsets).append(call.globals->positions).append(places_of(call));
  return key.append_mask(call.mask).bytes();
}

std::string key_of(const DenseShape& shape) {
  const DenseCall& call = shape.call;
  ListsKey key("dense ");
  key.append(call.query_offsets).append(call.key_offsets).append(call.positions);
  return key.append_mask(call.mask).bytes();
}

// Memory for what has been listed.
void bring(const Lists& lists, ListsOnDevice& result) {
  const auto length = static_cast<int64_t>(lists.bytes().size());
  if (length > 0) result.memory = Tensor::from({length}, lists.bytes()).to(Device::cuda);
}

int most_of(const std::vector<int64_t>& offsets) {
  int64_t most = 0;
  for (size_t b = 0; b + 1 < offsets.size(); ++b) most = std::max(most, offsets[b + 1] - offsets[b]);
  return static_cast<int>(most);
}

ListsOnDevice upload(const AttentionShape& shape) {
  const AttentionCall& call = shape.call;
  Lists lists;
  ListsOnDevice result;
  if (!are_equal(shape)) result.sequences = lists.append(call.offsets);
  if (std::ranges::any_of(call.dilation, [](int32_t D) { return D != 1; })) {
    std::vector<int32_t> clipped = call.dilation;  // a dilation beyond T reaches nothing either way
    for (int32_t& D : clipped) D = static_cast<int32_t>(std::clamp<int64_t>(shape.T, 1, D));
    result.dilations = lists.append(clipped);
  }
  if (call.globals) {
    result.offsets = lists.append(call.globals->offsets);
    result.positions = lists.append(call.globals->positions);
    if (const std::vector<int64_t> places = places_of(call); !places.empty())
      result.places = lists.append(places);
    result.most_globals = most_of(call.globals->offsets);
  }
  if (call.mask.defined() || call.globals) result.kinds = lists.append_bytes(kinds_of(call));
  bring(lists, result);
  return result;
}

ListsOnDevice upload(const DenseShape& shape) {
  const DenseCall& call = shape.call;
  Lists lists;
  ListsOnDevice result;
  if (shape.N != shape.B * shape.most_keys()) result.sequences = lists.append(call.key_offsets);
  result.offsets = lists.append(call.query_offsets);
  if (!call.positions.empty()) result.positions = lists.append(call.positions);
  result.most_globals = most_of(call.query_offsets);
  std::vector<uint8_t> kinds;
  for (int64_t row = 0; call.mask.defined() && row < shape.N; ++row)
    kinds.push_back(static_cast<uint8_t>(shape.is_key(row) ? TokenKind::local : TokenKind::padded));
  if (!kinds.empty()) result.kinds = lists.append_bytes(kinds);
  bring(lists, result);
  return result;
}

// All layers of a model, and forward and backward, ask for the lists of one batch.
template <class CallShape>
ListsOnDevice lists_of(const CallShape& shape) {
  constexpr size_t kMost = 16;  // patterns of dilation in a model, and a batch before
  static std::mutex mutex;
  static auto& recent = *new Recent<std::string, ListsOnDevice>(kMost);  // outlives other statics
  const std::lock_guard lock(mutex);
  return recent.get(key_of(shape), [&] { return upload(shape); });
}

}  // namespace

AttentionOnDevice::AttentionOnDevice(const AttentionShape& shape) : view_(describe(shape)) {
  const AttentionCall& call = shape.call;
  if (are_equal(shape) && call.dilation.empty() && !call.mask.defined() && !call.globals) return;
  lists_ = lists_of(shape);
  point_to_lists();
}

AttentionOnDevice::AttentionOnDevice(const DenseShape& shape)
    : view_(describe(shape)), lists_(lists_of(shape)) {
  point_to_lists();
}

void AttentionOnDevice::point_to_lists() {
  view_.most_globals = lists_.most_globals;
  const auto at = [&](int64_t offset) {
    return offset < 0 ? nullptr : lists_.memory.device_data<uint8_t>() + offset;
  };
  const auto numbers = [&](int64_t offset) { return reinterpret_cast<const int32_t*>(at(offset)); };
  view_.offsets = numbers(lists_.sequences), view_.dilations = numbers(lists_.dilations);
  view_.global_offsets = numbers(lists_.offsets), view_.global_positions = numbers(lists_.positions);
  view_.global_places = numbers(lists_.places), view_.kinds = at(lists_.kinds);
}

}  // namespace lf::kernels::cuda
