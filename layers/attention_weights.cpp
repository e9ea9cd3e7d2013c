#include "layers/attention_weights.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <vector>

#include "core/kernels/convert.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"

namespace lf {
namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();
// Their scores with all keys that any of them sees are in memory together.
constexpr int64_t kQueriesAtOnce = 256;

// What the tokens of one sequence are.
struct SequenceTokens {
  int64_t begin = 0;                    // its first row among all tokens
  std::vector<char> is_key, is_global;  // (T)
  std::vector<int32_t> globals;         // positions of the global tokens that are not padded, ascending
  std::vector<int32_t> global_rows;     // their rows among the batch's global tokens

  bool is_local(int64_t t) const { return is_key[at(t)] != 0 && is_global[at(t)] == 0; }
  bool is_local_key(int64_t t) const { return t >= 0 && t < std::ssize(is_key) && is_local(t); }
  static size_t at(int64_t t) { return static_cast<size_t>(t); }
};

std::vector<SequenceTokens> read_sequences(const EncoderInput& input) {
  const std::vector<int64_t> begins = input.sequences();
  const uint8_t* mask = input.mask.defined() ? input.mask.data<uint8_t>() : nullptr;
  std::vector<SequenceTokens> result(begins.size() - 1);
  for (size_t b = 0; b < result.size(); ++b) {
    SequenceTokens& own = result[b];
    own.begin = begins[b];
    const auto length = static_cast<size_t>(begins[b + 1] - begins[b]);
    own.is_key.assign(length, 1), own.is_global.assign(length, 0);
    if (mask) std::copy_n(mask + own.begin, length, own.is_key.begin());
    if (!input.global_tokens) continue;
    const auto& [offsets, positions] = *input.global_tokens;
    for (int64_t n = offsets[b]; n < offsets[b + 1]; ++n) {
      const int64_t t = positions[static_cast<size_t>(n)];
      if (own.is_key[SequenceTokens::at(t)] == 0) continue;
      own.is_global[SequenceTokens::at(t)] = 1;
      own.globals.push_back(static_cast<int32_t>(t));
      own.global_rows.push_back(static_cast<int32_t>(n));
    }
  }
  return result;
}

int64_t common_length(const EncoderInput& input) {
  const std::vector<int64_t> begins = input.sequences();
  const int64_t T = begins[1] - begins[0];
  for (size_t b = 0; b + 1 < begins.size(); ++b) {
    CHECK(begins[b + 1] - begins[b] == T, "attention weights: sequence ", b, " has ",
          begins[b + 1] - begins[b], " tokens, the first has ", T, "; needed equally long ones");
  }
  return T;
}

// Rows of (., H, K) f32 in CPU memory.
Tensor rows_on_cpu(const EncoderShape& shape, const Tensor& x) {
  const int64_t D = shape.width;
  return cast(x.to(Device::cpu), DType::f32).view({x.elements() / D, shape.heads, shape.head_width()});
}

Tensor divided_by_root(const EncoderShape& shape, const Tensor& q) {
  Tensor scaled = Tensor::empty(q.shape(), q.dtype());
  kernels::scale(q, 1 / std::sqrt(static_cast<double>(shape.head_width())), scaled);
  return scaled;
}

Tensor chosen_rows(const Tensor& x, const std::vector<int32_t>& rows) {
  const int64_t count = std::ssize(rows), H = x.dim(1), K = x.dim(2);
  Tensor y = Tensor::empty({count, H * K}, x.dtype());
  if (count > 0) kernels::select_rows(x.view({x.dim(0), H * K}), Tensor::from({count}, rows), y);
  return y.view({count, H, K});
}

// (N, H, K) -> (H, N, K)
Tensor heads_first(const Tensor& x) {
  Tensor y = Tensor::empty({x.dim(1), x.dim(0), x.dim(2)}, x.dtype());
  kernels::swap_axes(x, 1, x.dim(0), x.dim(1), x.dim(2), y);
  return y;
}

// q (M, H, K), already divided, k (N, H, K) -> q . k (H, M, N)
Tensor scores_of(const Tensor& q, const Tensor& k) {
  Tensor scores = Tensor::empty({q.dim(1), q.dim(0), k.dim(0)}, DType::f32);
  if (scores.elements() > 0) kernels::batched_matmul(heads_first(q), false, heads_first(k), true, scores);
  return scores;
}

// Over the last axis, in place; a row of kHidden only becomes zeros.
void softmax_rows(const Tensor& scores) {
  const int64_t columns = scores.dim(scores.shape().rank() - 1);
  Tensor rows = scores.view({scores.elements() / columns, columns});
  kernels::softmax(rows, rows);
}

// Which key a column behind the x global ones stands for.
struct ColumnsOfKeys {
  bool banded = false;
  int64_t side = 0;  // keys on each side of a band

  int64_t first_key(int64_t t) const { return banded ? t - side : 0; }
  // The keys that queries [begin, end) of T tokens may see, as a range.
  int64_t keys_begin(int64_t begin) const { return banded ? std::max<int64_t>(0, begin - side) : 0; }
  int64_t keys_end(int64_t end, int64_t T) const { return banded ? std::min(T, end + side) : T; }
};

// Scores of queries begin, begin + 1, ... of a sequence: with keys first_key, first_key + 1, ... and with its
// global tokens.
struct Scores {
  int64_t begin = 0, first_key = 0;
  Tensor keys, globals;  // (H, M, N), (H, M, own x)
};

// Puts them where the columns of out (H, T, x + ...) have them; what a query does not see stays.
void place_scores(const SequenceTokens& tokens, const ColumnsOfKeys& layout, const Scores& scores, int64_t x,
                  const Tensor& out) {
  const int64_t H = out.dim(0), T = out.dim(1), columns = out.dim(2);
  const int64_t M = scores.keys.dim(1), N = scores.keys.dim(2), globals = std::ssize(tokens.globals);
  parallel_for(H * M, 16, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      const int64_t h = row / M, t = scores.begin + row % M;
      if (!tokens.is_local(t)) continue;
      float* to = out.data<float>() + (h * T + t) * columns;
      if (globals > 0) std::copy_n(scores.globals.data<float>() + row * globals, globals, to);
      const float* from = scores.keys.data<float>() + row * N;
      for (int64_t c = x; c < columns; ++c) {
        const int64_t j = layout.first_key(t) + c - x;
        if (tokens.is_local_key(j)) to[c] = from[j - scores.first_key];
      }
    }
  });
}

// Hides the scores (H, own x, T) of padded keys.
void hide_padded_keys(const SequenceTokens& tokens, Tensor& scores) {
  const int64_t T = scores.dim(2);
  for (int64_t i = 0; i < scores.elements(); ++i) {
    if (tokens.is_key[static_cast<size_t>(i % T)] == 0) scores.data<float>()[i] = kHidden;
  }
}

// What a softmax over all of the padded tokens gives that is not told what to look at.
float nothing_chosen(const EncoderShape& shape, int64_t T) {
  const int64_t multiple = *std::max_element(shape.windows.begin(), shape.windows.end());
  return 1 / static_cast<float>((T + multiple - 1) / multiple * multiple);
}

}  // namespace

int64_t most_global_tokens(const EncoderInput& input) {
  int64_t most = 0;
  for (const SequenceTokens& tokens : read_sequences(input))
    most = std::max(most, std::ssize(tokens.globals));
  return most;
}

Shape attention_shape(const EncoderShape& shape, const EncoderInput& input, int64_t layer) {
  const int64_t B = std::ssize(input.sequences()) - 1, T = common_length(input);
  if (!shape.is_longformer()) return {B, shape.heads, T, T};
  const int64_t window = shape.windows[static_cast<size_t>(layer)];
  return {B, shape.heads, T, most_global_tokens(input) + window + 1};
}

Shape global_attention_shape(const EncoderShape& shape, const EncoderInput& input) {
  const int64_t B = std::ssize(input.sequences()) - 1;
  return {B, shape.heads, common_length(input), most_global_tokens(input)};
}

Tensor attention_weights(const AttentionInputs& seen) {
  const EncoderShape& shape = seen.shape;
  const Tensor weights = Tensor::full(attention_shape(shape, seen.input, seen.layer), DType::f32, kHidden);
  const Tensor q = divided_by_root(shape, rows_on_cpu(shape, seen.q)), k = rows_on_cpu(shape, seen.k);
  const int64_t H = weights.dim(1), T = weights.dim(2), columns = weights.dim(3);
  const bool banded = shape.is_longformer();
  const ColumnsOfKeys layout{banded, banded ? shape.windows[static_cast<size_t>(seen.layer)] / 2 : 0};
  const int64_t x = banded ? columns - 2 * layout.side - 1 : 0;
  const std::vector<SequenceTokens> sequences = read_sequences(seen.input);
  for (int64_t b = 0; b < std::ssize(sequences); ++b) {
    const SequenceTokens& tokens = sequences[static_cast<size_t>(b)];
    const Tensor own_q = q.slice(tokens.begin, tokens.begin + T),
                 own_k = k.slice(tokens.begin, tokens.begin + T);
    const Tensor global_k = chosen_rows(own_k, tokens.globals);
    for (int64_t begin = 0; begin < T; begin += kQueriesAtOnce) {
      const int64_t end = std::min(begin + kQueriesAtOnce, T);
      const Tensor queries = own_q.slice(begin, end);
      const int64_t first = layout.keys_begin(begin);
      const Tensor keys = own_k.slice(first, layout.keys_end(end, T));
      place_scores(tokens, layout, {begin, first, scores_of(queries, keys), scores_of(queries, global_k)}, x,
                   weights.slice(b, b + 1).view({H, T, columns}));
    }
  }
  softmax_rows(weights);
  return weights;
}

Tensor global_attention_weights(const AttentionInputs& seen) {
  const EncoderShape& shape = seen.shape;
  const Tensor q = divided_by_root(shape, rows_on_cpu(shape, seen.q_global)),
               k = rows_on_cpu(shape, seen.k_global);
  const Shape dims = global_attention_shape(shape, seen.input);
  const int64_t H = dims[1], T = dims[2], x = dims[3];
  const Tensor weights = Tensor::full(dims, DType::f32, nothing_chosen(shape, T));
  const std::vector<SequenceTokens> sequences = read_sequences(seen.input);
  for (int64_t b = 0; b < std::ssize(sequences); ++b) {
    const SequenceTokens& tokens = sequences[static_cast<size_t>(b)];
    const int64_t own = std::ssize(tokens.globals);
    if (own == 0) continue;
    Tensor scores = scores_of(chosen_rows(q, tokens.global_rows), k.slice(tokens.begin, tokens.begin + T));
    hide_padded_keys(tokens, scores);
    softmax_rows(scores);
    float* to = weights.data<float>() + b * H * T * x;
    for (int64_t h = 0; h < H; ++h) {
      for (int64_t n = 0; n < own; ++n) {
        const float* from = scores.data<float>() + (h * own + n) * T;
        for (int64_t t = 0; t < T; ++t) to[(h * T + t) * x + n] = from[t];
      }
    }
  }
  return weights;
}

}  // namespace lf
