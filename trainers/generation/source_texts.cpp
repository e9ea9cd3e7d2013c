#include "trainers/generation/source_texts.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <utility>

#include "core/check.h"
#include "core/kernels/kernels.h"
#include "core/parallel.h"
#include "layers/seq2seq_decoder.h"

namespace lf {
namespace {

// A source whose texts are being written. The tokens of its prompt are read first, all but the last.
struct Writing {
  int64_t number;
  std::unique_ptr<TextSearch> search;
  std::vector<int32_t> prompt;
  int64_t tokens = 0;  // of the source
  size_t read = 0;

  bool reads_prompt() const { return read < prompt.size(); }
  std::vector<int32_t> newest() const {
    if (!reads_prompt()) return search->newest();
    return std::vector<int32_t>(static_cast<size_t>(search->rows()), prompt[read]);
  }
};

// The logarithms of the sums of the logits' exponentials, by row.
Tensor log_sums(const Tensor& logits) {
  const int64_t rows = logits.dim(0);
  Tensor losses = Tensor::empty({rows}, DType::f32), lse = Tensor::empty({rows}, DType::f32);
  const Tensor none = Tensor::from({rows}, std::vector<int32_t>(static_cast<size_t>(rows), -1));
  kernels::cross_entropy(logits, none, 0, losses, lse);
  return lse;
}

class Writer {
 public:
  Writer(const Seq2Seq& model, const GenerationSettings& settings, int64_t rows)
      : model_(model),
        settings_(settings),
        decoder_(model, first_room(model, settings), std::min(rows, kReasonableRows)) {}

  bool is_idle() const { return all_.empty(); }
  // Whether another source's texts would still be within so many rows, and its keys and values in memory.
  bool has_room(int64_t rows) const {
    constexpr int64_t kTokensAtOnce = 16384;  // of all sources
    int64_t tokens = 0;
    for (const Writing& one : all_) tokens += one.tokens;
    return all_.empty() || (decoder_.rows() + all_.front().search->rows() <= rows && tokens < kTokensAtOnce);
  }

  void begin(TextSource source) {
    Writing one{source.number, nullptr, std::move(source.prompt), source.input.ids.elements()};
    CHECK(!one.prompt.empty(), "generate: the prompt is empty; at least one token is needed");
    const int64_t longest = settings_.longest(std::ssize(one.prompt));
    CHECK(longest - 1 <= model_.shape.longest_target(), "texts of ", longest, " tokens, but the model has ",
          model_.shape.longest_target(), " positions; lower max_length or max_new_tokens");
    CHECK(std::ssize(one.prompt) < longest, "the prompt's ", one.prompt.size(),
          " tokens are as many as a text may have");
    one.search = make_search(settings_, one.prompt, static_cast<uint64_t>(source.number));
    decoder_.add(model_.encode(source.input, {}), one.search->rows());
    all_.push_back(std::move(one));
  }

  // One more token for every text; calls `written` with the texts of the sources that are done, which leave.
  void step(const std::function<void(int64_t, const std::vector<WrittenText>&)>& written) {
    std::vector<int32_t> ids;
    for (Writing& one : all_) {
      const std::vector<int32_t> newest = one.newest();
      ids.insert(ids.end(), newest.begin(), newest.end());
      if (one.reads_prompt()) ++one.read;
    }
    Tensor logits = decoder_.next(Tensor::from({std::ssize(ids)}, ids)).to(Device::cpu);
    const Tensor sums = log_sums(logits);
    for (int64_t row = 0; row < sums.dim(0); ++row)
      CHECK(std::isfinite(sums.data<float>()[row]),
            "the model's probabilities are not finite: its weights are of no use");
    advance(logits, sums);
    std::vector<int32_t> parents;
    std::vector<Writing> left;
    int32_t row = 0;
    for (Writing& one : all_) {
      TextSearch& search = *one.search;
      for (const int32_t parent : search.parents())
        if (!search.is_done()) parents.push_back(row + parent);
      row += static_cast<int32_t>(search.rows());
      if (search.is_done())
        written(one.number, search.written());
      else
        left.push_back(std::move(one));
    }
    decoder_.reorder(parents);
    all_ = std::move(left);
  }

 private:
  // Every search with its rows of the logits, unless a prompt is still being read.
  void advance(Tensor& logits, const Tensor& sums) {
    const int64_t vocabulary = logits.dim(1);
    std::vector<int64_t> first{0};
    for (const Writing& one : all_) first.push_back(first.back() + one.search->rows());
    parallel_tasks(std::ssize(all_), [&](int64_t n) {
      Writing& one = all_[static_cast<size_t>(n)];
      const int64_t row = first[static_cast<size_t>(n)];
      if (!one.reads_prompt())
        one.search->advance(logits.data<float>() + row * vocabulary, sums.data<float>() + row, vocabulary);
    });
  }

  // What there is room for at first: all rows, and all tokens that a text may have, within reason.
  static constexpr int64_t kReasonableRows = 32;
  static int64_t first_room(const Seq2Seq& model, const GenerationSettings& settings) {
    constexpr int64_t kReasonableTokens = 512;
    return std::min({settings.longest(1), model.shape.longest_target(), kReasonableTokens});
  }

  const Seq2Seq& model_;
  const GenerationSettings& settings_;
  Seq2SeqDecoder decoder_;
  std::vector<Writing> all_;
};

}  // namespace

std::vector<int32_t> prompt_behind_start(const Seq2SeqShape& shape, std::vector<int32_t> given) {
  if (given.empty() || given.front() != shape.start_id) given.insert(given.begin(), shape.start_id);
  return given;
}

void write_texts(const Seq2Seq& model, const GenerationSettings& settings, int64_t rows,
                 const std::function<std::optional<TextSource>()>& next,
                 const std::function<void(int64_t number, const std::vector<WrittenText>&)>& written) {
  const NoGrad no_grad;
  settings.validate_ids(model.shape.encoder.vocabulary);
  Writer writer(model, settings, rows);
  for (bool has_more = true; has_more || !writer.is_idle();) {
    while (has_more && writer.has_room(rows)) {
      std::optional<TextSource> source = next();
      has_more = source.has_value();
      if (!source) break;
      const std::string where = source->where;
      try {
        writer.begin(std::move(*source));
      } catch (const Error& error) {
        throw Error(text(where, ": ", error.what()));
      }
    }
    if (!writer.is_idle()) writer.step(written);
  }
}

}  // namespace lf
