// The section `seq2seq`: fine-tuning a BART or an LED to write summaries.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "data/tasks/summaries.h"
#include "trainers/config/fields.h"
#include "trainers/config/global_attention_choice.h"
#include "trainers/generation/generation_choices.h"

namespace lf {

// What the decoder reads before a text's own tokens: </s> <s>, as transformers shifts labels, or <s> alone,
// as the published LED code does.
enum class DecoderPrefix { end_begin, begin };
enum class SummaryMetricChoice { loss, rouge1, rouge2, rouge_l, rouge_lsum };

inline std::vector<std::string> names_of(DecoderPrefix) { return {"end_begin", "begin"}; }
inline std::vector<std::string> names_of(SummaryMetricChoice) {
  return {"loss", "rouge1", "rouge2", "rougeL", "rougeLsum"};
}

struct Seq2SeqSection {
  std::optional<std::string> model;
  Inherited<std::string> validation, test;
  Inherited<std::string> train_urls, validation_urls, test_urls;
  std::string id_key = "id";
  Inherited<std::string> source_key, target_key;
  EmptyPairs empty = EmptyPairs::kRefuse;
  int64_t target_length = 256;
  DecoderPrefix decoder_prefix = DecoderPrefix::end_begin;
  GlobalAttention global_attention = GlobalAttention::first_token;
  double label_smoothing = 0;
  double dropout = 0.1;
  double attention_dropout = 0;
  SummaryMetricChoice metric = SummaryMetricChoice::loss;
  bool stemmer = true;
  int64_t scored_texts = 0;
  int64_t num_beams = 4;
  int64_t min_length = 0;
  double length_penalty = 1;
  int64_t no_repeat_ngram_size = 3;
  EarlyStopping early_stopping = EarlyStopping::no;

  static void visit(auto& self, auto&& field) {
    field("model", self.model, "Folder of the pretrained model in Hugging Face form, a BART or an LED.",
          FieldMark::model_path);
    field("validation", self.validation, "The texts and summaries of the validation split.",
          FieldMark::data_path);
    field("test", self.test, "The texts and summaries of the test split.", FieldMark::data_path);
    field("train_urls", self.train_urls, "Of stories in data.path, the list of URLs that is the split.",
          FieldMark::data_path);
    field("validation_urls", self.validation_urls,
          "Of stories in validation, the list of URLs that is the split.", FieldMark::data_path);
    field("test_urls", self.test_urls, "Of stories in test, the list of URLs that is the split.",
          FieldMark::data_path);
    field("id_key", self.id_key, "Of records, the key or column of an id; it may be missing.");
    field("source_key", self.source_key,
          "Of records, the key or column of the text; left out, one of those that data sets use.");
    field("target_key", self.target_key, "Of records, the key or column of the summary; likewise.");
    field("empty", self.empty, "Pairs without a text or a summary are refused, or left out and counted.");
    field("target_length", self.target_length,
          "Tokens of a summary that are learned and written at most; longer ones are cut, which is counted.",
          at_least(3));
    field("decoder_prefix", self.decoder_prefix,
          "What the decoder reads before a summary, in training and in writing: end_begin (</s> <s>, as "
          "transformers has it) or begin (<s>, as the published LED code has it).");
    field("global_attention", self.global_attention,
          "Of an LED's text, what sees all of it and is seen by all, in training and in writing: first_token "
          "(<s>) or none, which leaves the encoder its windows alone.");
    field("label_smoothing", self.label_smoothing, "Share of a target's weight that all tokens share.",
          from_below(0, 1));
    field("dropout", self.dropout, "Probability of dropping an activation during training.",
          from_below(0, 1));
    field("attention_dropout", self.attention_dropout, "Probability of dropping an attention weight.",
          from_below(0, 1));
    field("metric", self.metric,
          "The score of the validation split that decides which checkpoint is best and when patience ends: "
          "the loss of the given summaries, or ROUGE's F1 of written ones.");
    field("stemmer", self.stemmer, "Whether ROUGE compares words' stems.");
    field(
        "scored_texts", self.scored_texts,
        "Texts of the validation split for which summaries are written, where metric asks for them; 0: all.",
        at_least(0));
    field("num_beams", self.num_beams, "Beams of the search by which summaries are written; 1: greedy.",
          within(1, 1024));
    field("min_length", self.min_length, "Tokens that a written summary has at least.", at_least(0));
    field("length_penalty", self.length_penalty,
          "A summary's score is its log-probability / tokens ^ length_penalty.");
    field("no_repeat_ngram_size", self.no_repeat_ngram_size,
          "No n-gram of this size stands twice in a written summary; 0: any may.", at_least(0));
    field(
        "early_stopping", self.early_stopping,
        "When a search ends that has num_beams finished summaries: yes, at once; no, when a guess says that "
        "none can be better; never, when none can be.");
  }
  bool operator==(const Seq2SeqSection&) const = default;
};

}  // namespace lf
