// What a BART or LED writes: summaries of records, and of a split to be scored.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/records.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "layers/seq2seq.h"
#include "trainers/config/seq2seq_section.h"
#include "trainers/generation/generation_settings.h"
#include "trainers/generation/writing.h"
#include "trainers/tasks/prediction_sink.h"

namespace lf {

// How a model folder's texts are written: by its generation_config.json or, without one, by what its
// config.json says of it.
GenerationSettings settings_of_model(const std::string& folder, const Seq2SeqShape& shape);
// How a run's are.
GenerationSettings settings_of_run(const Seq2SeqSection& section, const Seq2SeqShape& shape);

struct SummaryWriter {
  const Seq2Seq& model;
  GenerationSettings settings;
  std::vector<int32_t> prompt;
  int64_t longest_source = 0;                                       // tokens of a text that are read
  GlobalAttention global_attention = GlobalAttention::first_token;  // of records that name none themselves

  // Gives records of text their ids, with the tokenizer in `tokenizer_folder`, which is returned if there is
  // one, and cuts them; in an LED the first token becomes global where a record names none. Both is said.
  std::optional<ByteLevelTokenizer> prepare(std::vector<Record>& records,
                                            const std::string& tokenizer_folder) const;
  // Writes for records of text, with the tokenizer in `tokenizer_folder`, or of ids. Every row of a record of
  // several is a source. In an LED the first token is global where a record names none and global_attention
  // says so, which is told. Lines are in the records' order: what is finished waits for those before.
  void write(std::vector<Record> records, const std::string& tokenizer_folder, const WritingRequest& request,
             PredictionSink& sink) const;
};

}  // namespace lf
