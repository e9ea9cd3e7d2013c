// Windows of texts in words as what an encoder reads: of each <s>, its tokens and </s>.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/tokenized_words.h"
#include "layers/encoder_shape.h"
#include "trainers/config/global_attention_choice.h"

namespace lf {

// The tokens around a window's own.
inline constexpr int64_t kAroundWindow = 2;

// How an encoder reads windows.
struct WindowReading {
  int32_t begin = 0, end = 0;    // <s> and </s>
  bool first_is_global = false;  // in a Longformer

  // Throws Error naming the folder of a tokenizer without <s> or </s>.
  WindowReading(const ByteLevelTokenizer& tokenizer, const std::string& folder, const EncoderShape& shape,
                GlobalAttention global);
};

// A ragged batch of windows, made one by one.
class WindowBatch {
 public:
  explicit WindowBatch(const WindowReading& reading) : reading_(reading) {}

  // The tokens of the window's text, and the first one of each of its words.
  void add(const WordWindow& window, const std::vector<int32_t>& ids, const std::vector<int32_t>& first);

  // A sequence for each window.
  EncoderInput input() const;
  // Among the tokens of the input, the first of every word that a window tells, in their order.
  const std::vector<int32_t>& places() const { return places_; }
  int64_t tokens() const { return static_cast<int64_t>(tokens_.size()); }

 private:
  WindowReading reading_;
  std::vector<int32_t> tokens_, places_;
  std::vector<int64_t> offsets_{0};
};

}  // namespace lf
