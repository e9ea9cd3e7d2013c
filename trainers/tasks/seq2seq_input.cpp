#include "trainers/tasks/seq2seq_input.h"

#include <iterator>

#include "trainers/tasks/encoder_records.h"

namespace lf {

std::vector<int32_t> prompt_of(DecoderPrefix prefix, const Seq2SeqShape& shape) {
  return {prefix == DecoderPrefix::end_begin ? shape.start_id : shape.begin_id};
}

Seq2SeqBatch seq2seq_batch(const TokenizedPairs& pairs, const std::vector<int64_t>& ids, int64_t most_source,
                           const Seq2SeqSection& section, const Seq2SeqShape& shape) {
  std::vector<int32_t> sources, read;
  Seq2SeqBatch batch;
  batch.sources.offsets = batch.targets.offsets = {0};
  for (const int64_t id : ids) {
    pairs.sources.append(id, most_source, sources);
    batch.sources.offsets.push_back(std::ssize(sources));
    std::vector<int32_t> target;
    pairs.targets.append(id, section.target_length, target);
    if (section.decoder_prefix == DecoderPrefix::end_begin) target.insert(target.begin(), shape.start_id);
    read.insert(read.end(), target.begin(), target.end() - 1);
    batch.labels.insert(batch.labels.end(), target.begin() + 1, target.end());
    batch.targets.offsets.push_back(std::ssize(read));
  }
  batch.sources.ids = Tensor::from({std::ssize(sources)}, sources);
  batch.targets.ids = Tensor::from({std::ssize(read)}, read);
  if (shape.is_led() && section.global_attention == GlobalAttention::first_token)
    batch.sources.global_tokens = first_tokens_global(std::ssize(ids));
  return batch;
}

}  // namespace lf
