#include "data/tasks/token_classification.h"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/file_paths.h"
#include "data/byte_source.h"
#include "data/first_names.h"
#include "data/tasks/classification_splits.h"
#include "data/tasks/tagged_records.h"

namespace lf {
namespace {

using Texts = std::vector<TaggedText>;

void check_token_source(const TokenClassificationSource& source) {
  const auto refuse = [](bool wrong, const char* why) {
    if (wrong) throw UsageError(std::string("token classification data: ") + why);
  };
  refuse(source.train.empty(), "no file to train on");
  refuse(!source.split_file.empty() && !(source.validation.empty() && source.test.empty()),
         "a split file divides what has no splits yet");
  refuse(!(source.validation_share >= 0 && source.test_share >= 0 &&
           source.validation_share + source.test_share < 1),
         "shares must be from 0 on and leave something for training");
  const std::set<std::string> distinct(source.labels.begin(), source.labels.end());
  refuse(distinct.size() != source.labels.size(), "a label is named twice");
  for (const std::string& label : source.labels) {
    if (!is_tag(label))
      throw UsageError(text("token_classification.labels: ", escaped(label),
                            " is no tag; needed O, or B-, I-, E- or S- and a type"));
  }
  refuse(!source.labels.empty() && !distinct.contains(std::string(kOutside)), "the labels lack O");
}

// What the tools for splits of documents need to know of texts.
std::vector<LabelledDocument> documents_of(const Texts& texts) {
  std::vector<LabelledDocument> documents;
  for (const TaggedText& tagged : texts)
    documents.push_back({.id = tagged.id, .text = tagged.text, .label = {}, .where = tagged.where});
  return documents;
}

// The texts of these documents. One may be in several splits.
Texts chosen_texts(const std::vector<LabelledDocument>& documents, const Texts& texts) {
  std::unordered_map<std::string_view, const TaggedText*> by_id;
  for (const TaggedText& tagged : texts) by_id.emplace(tagged.id, &tagged);
  Texts chosen;
  for (const LabelledDocument& document : documents) chosen.push_back(*by_id.at(document.id));
  return chosen;
}

void divide_texts(const TokenClassificationSource& source, TokenClassificationData& data) {
  const SplitShares shares{.validation = source.validation.empty() ? source.validation_share : 0,
                           .test = source.test.empty() ? source.test_share : 0,
                           .seed = source.seed};
  if (source.split_file.empty() && shares.validation == 0 && shares.test == 0) return;
  DocumentSplits splits{.train = documents_of(data.train)};
  if (!source.split_file.empty()) splits = divide_by_file(splits.train, source.split_file, data.notices);
  cut_shares(shares, "texts", splits, data.notices);
  if (source.validation.empty()) data.validation = chosen_texts(splits.validation, data.train);
  if (source.test.empty()) data.test = chosen_texts(splits.test, data.train);
  data.train = chosen_texts(splits.train, data.train);
}

void check_known_tags(TokenClassificationData& data) {
  const std::set<std::string_view> known(data.labels.begin(), data.labels.end());
  for (const TaggedText& tagged : data.train) {
    for (const std::string& tag : tagged.tags)
      CHECK(known.contains(tag), tagged.where, ": ", escaped(tagged.id), " has the tag ", escaped(tag),
            ", which token_classification.labels does not have");
  }
  for (const auto& [name, texts] :
       {std::pair("validation", &data.validation), std::pair("test", &data.test)}) {
    std::map<std::string_view, int64_t> unknown;
    for (const TaggedText& tagged : *texts) {
      for (const std::string& tag : tagged.tags) {
        if (!known.contains(tag)) ++unknown[tag];
      }
    }
    for (const auto& [tag, count] : unknown)
      data.notices.push_back(text(count, count == 1 ? " word of " : " words of ", name,
                                  count == 1 ? " has" : " have", " the tag ", escaped(tag),
                                  ", which is no class (no text to train on has it, or labels lack it): it "
                                  "cannot be told, and counts as missed"));
  }
}

}  // namespace

Texts read_tagged_texts(const std::string& path, const TaggedFormat& format,
                        std::vector<std::string>& notices) {
  check_exists(path);
  if (has_ending(unpacked_name(path), ".jsonl"))
    return read_tagged_records(path, format.scheme, format.bad, notices);
  return read_tagged_columns(path, format.columns);
}

std::vector<std::string> tags_to_learn(const Texts& texts) {
  std::set<std::string_view> types;
  bool has_ends = false;
  for (const TaggedText& tagged : texts) {
    for (const std::string& tag : tagged.tags) {
      if (tag == kOutside) continue;
      types.insert(type_of(tag));
      has_ends = has_ends || tag[0] == 'E' || tag[0] == 'S';
    }
  }
  CHECK(!types.empty(), "no word of ", texts.size(), " texts to train on is in an entity: every tag is O");
  std::vector<std::string> tags{std::string(kOutside)};
  for (const std::string_view type : types) {
    for (const char prefix : std::string_view(has_ends ? "BIES" : "BI"))
      tags.push_back(std::string(1, prefix) + '-' + std::string(type));
  }
  return tags;
}

TokenClassificationData read_token_classification(const TokenClassificationSource& source) {
  check_token_source(source);
  TokenClassificationData data;
  data.train = read_tagged_texts(source.train, source.format, data.notices);
  if (!source.validation.empty())
    data.validation = read_tagged_texts(source.validation, source.format, data.notices);
  if (!source.test.empty()) data.test = read_tagged_texts(source.test, source.format, data.notices);
  divide_texts(source, data);
  for (std::string& notice : find_leaks({.train = documents_of(data.train),
                             .validation = documents_of(data.validation),
                             .test = documents_of(data.test)}))
    data.notices.push_back(std::move(notice));
  data.labels = source.labels.empty() ? tags_to_learn(data.train) : source.labels;
  check_known_tags(data);
  return data;
}

}  // namespace lf
