#include "data/tasks/tagged_text.h"

#include "data/tokenizer/pre_tokenizer.h"

namespace lf {

std::vector<ByteRange> words_of(std::string_view text) {
  std::vector<ByteRange> words;
  const char* const end = text.data() + text.size();
  for (const char* begin = text.data(); begin < end;) {
    const char* const stop = piece_end(begin, end);
    const std::string_view piece(begin, static_cast<size_t>(stop - begin));
    const size_t spaces = leading_space_end(piece);
    if (spaces < piece.size())
      words.push_back({begin - text.data() + static_cast<int64_t>(spaces), stop - text.data()});
    begin = stop;
  }
  return words;
}

}  // namespace lf
