#include "trainers/tasks/seq2seq_scores.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <optional>
#include <string>
#include <utility>

#include "autograd/gathered_slices.h"
#include "core/communicator/divided.h"
#include "trainers/generation/source_texts.h"
#include "trainers/metrics/rouge.h"

namespace lf {
namespace {

// In which order `count` pairs are scored, and how much of the work is done: in a plan the longest first,
// since its first batch stands for all and is to need the most memory, and by tokens, not by pairs.
class ScoredPairs {
 public:
  ScoredPairs(const Seq2Seq& model, const TokenizedPairs& pairs, int64_t count, int64_t most_source)
      : pairs_(pairs),
        most_source_(most_source),
        planned_(model.model.words.value.device() == Device::plan),
        order_(static_cast<size_t>(count)) {
    std::iota(order_.begin(), order_.end(), 0);
    if (planned_) std::ranges::stable_sort(order_, std::greater(), [&](int64_t id) { return length(id); });
  }

  bool planned() const { return planned_; }
  int64_t operator[](int64_t n) const { return order_[static_cast<size_t>(n)]; }
  int64_t done(int64_t first) const {
    if (!planned_) return first;
    int64_t tokens = 0;
    for (int64_t n = 0; n < first; ++n) tokens += length((*this)[n]);
    return tokens;
  }
  int64_t total() const { return done(std::ssize(order_)); }

 private:
  int64_t length(int64_t id) const { return pairs_.sources.length(id, most_source_); }

  const TokenizedPairs& pairs_;
  int64_t most_source_;
  bool planned_;
  std::vector<int64_t> order_;
};

}  // namespace

Var label_losses(const Seq2Seq& model, const Seq2SeqBatch& batch, double smoothing, const Pass& pass,
                 bool recomputes) {
  const Pass part = pass.over(batch.sources.lengths());
  EncoderOutput source = model.encode(part_of(batch.sources, part), part, recomputes);
  if (part.slices) {  // the decoder needs whole sources: the first of the ranks has it alone
    source.hidden = gathered_slices(source.hidden, part.slices);
    if (part.slices->ranks->rank() > 0) return reshape(source.hidden, {0});
    source.offsets = batch.sources.sequences();
    source.mask = batch.sources.mask;
  }
  const Var hidden = model.decode(batch.targets, source, pass, recomputes);
  return cross_entropy(model.logits(hidden), Tensor::from(batch.targets.ids.shape(), batch.labels),
                       smoothing);
}

LabelScore score_labels(const Seq2Seq& model, const TokenizedPairs& pairs, const Seq2SeqSection& section,
                        int64_t most_source, int64_t rows, DType compute, const RankGrid& ranks,
                        const ScoreProgress& progress) {
  const NoGrad no_grad;
  LabelScore score;
  const ScoredPairs scored(model, pairs, pairs.count(), most_source);
  const auto score_batch = [&](int64_t number) {
    std::vector<int64_t> ids;
    for (int64_t i = number * rows; i < std::min(pairs.count(), (number + 1) * rows); ++i)
      ids.push_back(scored[i]);
    const Seq2SeqBatch batch = seq2seq_batch(pairs, ids, most_source, section, model.shape);
    const Pass pass{.compute = compute, .sequence_ranks = ranks.sequence()};
    return label_losses(model, batch, 0, pass).value().to_doubles();
  };
  divide(
      ranks, (pairs.count() + rows - 1) / rows, score_batch,
      [&](int64_t, const std::vector<double>& nats_of_labels) {
        // One by one in their order, so that the sum does not depend on the batch size.
        for (const double nats : nats_of_labels) score.nats += nats;
        score.count += std::ssize(nats_of_labels);
      },
      [&](int64_t taken) {
        return !progress || progress(scored.done(std::min(taken * rows, pairs.count())), scored.total());
      });
  return score;
}

std::vector<Metric> score_written(const SummaryWriter& writer, const TokenizedPairs& pairs, int64_t texts,
                                  const Seq2SeqSection& section, const ByteLevelTokenizer& tokenizer,
                                  const RankGrid& ranks, const ScoreProgress& progress) {
  constexpr int64_t kRows = 32;
  GenerationSettings settings = writer.settings;
  // In a plan, texts that are written side by side stand for all, and are as long as they may be: a planned
  // model has no probabilities that would end them.
  const ScoredPairs scored(writer.model, pairs, texts, writer.longest_source);
  if (scored.planned()) {
    texts = std::min(texts, std::max<int64_t>(1, kRows / settings.num_beams));
    settings.min_length = settings.longest(std::ssize(writer.prompt));
  }
  std::vector<std::string> references, written(static_cast<size_t>(texts));
  for (int64_t i = 0; i < texts; ++i) {
    std::vector<int32_t> ids;
    pairs.targets.append(scored[i], pairs.targets.length(scored[i]), ids);
    references.push_back(tokenizer.decode(ids, true));
  }
  // Text i is rank i modulo the ranks'. Progress is told of as often as every rank has texts.
  int64_t next = ranks.all().rank(), done = 0;
  const int64_t of_every_rank = texts / ranks.all().size();
  write_texts(
      writer.model, settings, kRows,
      [&]() -> std::optional<TextSource> {
        if (next >= texts) return std::nullopt;
        Seq2SeqBatch one =
            seq2seq_batch(pairs, {scored[next]}, writer.longest_source, section, writer.model.shape);
        TextSource source{next, text("text ", next), std::move(one.sources), writer.prompt};
        next += ranks.all().size();
        return source;
      },
      [&](int64_t number, const std::vector<WrittenText>& best) {
        written[static_cast<size_t>(number)] = tokenizer.decode(best[0].ids, true);
        ++done;
        if (progress && done <= of_every_rank && (!scored.planned() || done == texts))
          progress(scored.done(done * ranks.all().size()), scored.total());
      });
  if (ranks.all().size() > 1) {
    for (int64_t i = 0; i < texts; i += ranks.all().size()) {
      const int64_t own = i + ranks.all().rank();
      const std::vector<std::string> round =
          ranks.all().gather(own < texts ? written[static_cast<size_t>(own)] : "");
      for (int64_t r = 0; r < ranks.all().size() && i + r < texts; ++r)
        written[static_cast<size_t>(i + r)] = round[static_cast<size_t>(r)];
    }
  }
  std::vector<RougePair> compared;
  for (size_t i = 0; i < written.size(); ++i) compared.push_back({references[i], written[i]});
  const auto summary = rouge_summary(rouge(compared, section.stemmer));
  std::vector<Metric> metrics;
  constexpr double kPercent = 100;
  for (size_t kind = 0; kind < kRougeKinds.size(); ++kind)
    metrics.push_back({kRougeKinds[kind], kPercent * summary[kind].mean.f1, texts});
  return metrics;
}

}  // namespace lf
