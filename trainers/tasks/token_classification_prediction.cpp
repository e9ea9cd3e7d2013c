#include "trainers/tasks/token_classification_prediction.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <span>
#include <utility>

#include "core/check.h"
#include "data/tasks/tagged_records.h"
#include "data/tasks/tagged_text.h"
#include "data/tasks/tokenized_words.h"
#include "data/tokenizer/utf8.h"
#include "trainers/tasks/classification_prediction.h"
#include "trainers/tasks/encoder_records.h"
#include "trainers/tasks/tensor_prediction.h"
#include "trainers/tasks/window_input.h"

namespace lf {
namespace {

using nlohmann::ordered_json;

// A record's text in words, and the windows that it is read in.
struct ReadRecord {
  std::vector<ByteRange> words;
  WordTokens tokens;
  std::vector<WordWindow> windows;
  bool is_list = false;
};

ReadRecord read_record(const Record& record, const ByteLevelTokenizer& tokenizer, int64_t most,
                       int64_t overlap) {
  CHECK(record.text, record.where,
        ": ids have no words; needed a text or tokens, or --what logits or hidden");
  CHECK(first_invalid_utf8(*record.text) == record.text->size(), record.where,
        ": the text is not valid UTF-8");
  ReadRecord read;
  read.is_list = !record.words.empty();
  read.words = read.is_list ? record.words : words_of(*record.text);
  try {
    read.tokens = tokenize_words(*record.text, read.words, tokenizer);
  } catch (const Error& error) {
    throw Error(record.where + ": " + error.what());
  }
  if (!read.words.empty())
    add_windows(0, std::ssize(read.tokens.ids), read.tokens.first, most, overlap, read.windows);
  return read;
}

int64_t tokens_of_windows(const ReadRecord& read) {
  int64_t tokens = 0;
  for (const WordWindow& window : read.windows) tokens += window.tokens() + kAroundWindow;
  return tokens;
}

std::string text_of_words(const Record& record, const ReadRecord& read, int64_t begin, int64_t end) {
  const auto first = static_cast<size_t>(read.words[static_cast<size_t>(begin)].begin);
  return record.text->substr(first,
                             static_cast<size_t>(read.words[static_cast<size_t>(end - 1)].end) - first);
}

ordered_json entities_answer(const Record& record, const ReadRecord& read,
                             std::span<const ClassProbabilities> told, const std::vector<std::string>& tags) {
  ordered_json list = ordered_json::array();
  const CharacterPlaces places(*record.text);
  for (const Entity& entity : entities_of(tags)) {
    double score = 0;
    for (int64_t word = entity.begin; word < entity.end; ++word) {
      const ClassProbabilities& own = told[static_cast<size_t>(word)];
      score += std::exp(own.log_probabilities[static_cast<size_t>(own.likeliest)]);
    }
    int64_t start = entity.begin, end = entity.end;
    if (!read.is_list) {
      start = places.character(read.words[static_cast<size_t>(start)].begin);
      end = places.character(read.words[static_cast<size_t>(end - 1)].end);
    }
    list.push_back({{"start", start},
                    {"end", end},
                    {"label", entity.type},
                    {"text", text_of_words(record, read, entity.begin, entity.end)},
                    {"score", score / static_cast<double>(entity.end - entity.begin)}});
  }
  return {{"id", record.id}, {"entities", list}};
}

ordered_json tags_answer(const Record& record, const ReadRecord& read, const std::vector<std::string>& tags) {
  ordered_json tokens = ordered_json::array();
  for (int64_t word = 0; word < std::ssize(read.words); ++word)
    tokens.push_back(text_of_words(record, read, word, word + 1));
  return {{"id", record.id}, {"tokens", tokens}, {"tags", tags}};
}

// What the model says of every word of some records.
class WordTeller {
 public:
  WordTeller(const EntityFinder& finder, const WindowReading& reading) : finder_(finder), reading_(reading) {}

  std::vector<ClassProbabilities> tell(std::span<const ReadRecord> records) {
    told_.clear();
    WindowBatch batch(reading_);
    for (const ReadRecord& read : records) {
      for (const WordWindow& window : read.windows) {
        if (batch.tokens() > 0 && batch.tokens() + window.tokens() + kAroundWindow > kPredictedAtOnce)
          compute(std::exchange(batch, WindowBatch(reading_)));
        batch.add(window, read.tokens.ids, read.tokens.first);
      }
    }
    if (batch.tokens() > 0) compute(batch);
    return std::move(told_);
  }

 private:
  void compute(const WindowBatch& batch) {
    const Tensor rows = Tensor::from({std::ssize(batch.places())}, batch.places());
    const Var logits =
        finder_.model.logits(batch.input(), rows, {.training = false, .compute = finder_.compute});
    for (ClassProbabilities& one : class_probabilities(logits.value())) told_.push_back(std::move(one));
  }

  const EntityFinder& finder_;
  const WindowReading& reading_;
  std::vector<ClassProbabilities> told_;
};

void predict_words(const EntityFinder& finder, std::vector<Record> records, const PredictionRequest& request,
                   PredictionSink& sink) {
  const EncoderShape& shape = finder.model.encoder.shape;
  const ByteLevelTokenizer tokenizer(finder.tokenizer_folder);
  const WindowReading reading(tokenizer, finder.tokenizer_folder, shape, finder.global);
  const int64_t longest = shape.longest_read(request.longest), most = longest - kAroundWindow;
  const int64_t overlap = std::min(finder.overlap.value_or(longest / 4), most - 1);
  std::vector<ReadRecord> read;
  for (Record& record : records) {
    read.push_back(read_record(record, tokenizer, most, overlap));
    // By which records are put together.
    record.rows = 1;
    record.length = tokens_of_windows(read.back());
  }
  warn_of_empty(records, sink);
  const auto part_of_read = [&](std::span<const Record> batch) {
    return std::span(read).subspan(static_cast<size_t>(batch.data() - records.data()), batch.size());
  };
  WordTeller teller(finder, reading);
  const auto compute_batch = [&](std::span<const Record> batch) { return teller.tell(part_of_read(batch)); };
  const auto answer_batch = [&](std::span<const Record> batch, const std::vector<ClassProbabilities>& told) {
    size_t first = 0;
    for (size_t i = 0; i < batch.size(); ++i) {
      const ReadRecord& own = part_of_read(batch)[i];
      const auto words = std::span(told).subspan(first, own.words.size());
      first += own.words.size();
      std::vector<std::string> tags;
      for (const ClassProbabilities& word : words)
        tags.push_back(finder.labels[static_cast<size_t>(word.likeliest)]);
      sink.line(request.what == "tags" ? tags_answer(batch[i], own, tags)
                                       : entities_answer(batch[i], own, words, tags));
    }
  };
  in_batches(records, kPredictedAtOnce, sink, compute_batch, answer_batch);
}

}  // namespace

void predict_entities(const EntityFinder& finder, std::vector<Record> records,
                      const PredictionRequest& request, PredictionSink& sink) {
  const std::string& what = request.what;
  if (what.empty() || what == "entities" || what == "tags")
    return predict_words(finder, std::move(records), request, sink);
  if (what != "logits" && what != "hidden" && what != "attention")
    throw UsageError("--what is " + what + "; needed entities, tags, logits, hidden or attention");
  const EncoderShape& shape = finder.model.encoder.shape;
  read_texts(records, finder.tokenizer_folder, shape.longest_read(request.longest), sink);
  if (shape.is_longformer() && finder.global == GlobalAttention::first_token)
    add_first_tokens_global(records);
  const auto logits = [&](const EncoderInput& input, const Pass& pass) {
    std::vector<int32_t> rows(static_cast<size_t>(input.ids.elements()));
    std::iota(rows.begin(), rows.end(), 0);
    return finder.model.logits(input, Tensor::from({std::ssize(rows)}, rows), pass);
  };
  predict_tensors({.encoder = finder.model.encoder,
                   .logits = logits,
                   .classes = std::ssize(finder.labels),
                   .of_tokens = true,
                   .compute = finder.compute},
                  what, records, sink);
}

}  // namespace lf
