#include "data/tasks/classification_splits.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/files.h"
#include "core/hash.h"
#include "core/json.h"
#include "data/first_names.h"
#include "data/tasks/shared_texts.h"

namespace lf {
namespace {

using Documents = std::vector<LabelledDocument>;

std::string hash_of(std::string_view text) {
  return content_hash({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
}

std::vector<std::string> hashes_of(const Documents& documents) {
  std::vector<std::string> hashes;
  hashes.reserve(documents.size());
  for (const LabelledDocument& document : documents) hashes.push_back(hash_of_words(document.text));
  return hashes;
}

SplitTexts texts_of(const char* name, const Documents& documents) {
  SplitTexts texts{.name = name, .ids = {}, .hashes = hashes_of(documents)};
  for (const LabelledDocument& document : documents) {
    texts.ids.push_back(document.id);
    texts.labels.push_back(document.label ? "label " + *document.label : "");
  }
  return texts;
}

const char* plural(size_t count) { return count == 1 ? "" : "s"; }

// Takes out of `documents` what has a text of `kept`.
void drop(const char* name, Documents& documents, const std::vector<std::string>& hashes,
          const std::unordered_set<std::string>& kept, std::vector<std::string>& notices) {
  Documents left;
  for (size_t i = 0; i < documents.size(); ++i) {
    if (!kept.contains(hashes[i])) left.push_back(std::move(documents[i]));
  }
  const size_t dropped = documents.size() - left.size();
  CHECK(!left.empty() || documents.empty(), "all ", documents.size(), " documents of ", name,
        " are in another split too; nothing would be left of it");
  documents = std::move(left);
  if (dropped == 0) return;
  notices.push_back(text(dropped, " document", plural(dropped), " of ", name, " that another split has too ",
                         dropped == 1 ? "was" : "were", " taken out; ", documents.size(), " are left"));
}

// The value of a text of digits.
std::optional<int64_t> value_of(std::string_view id) {
  int64_t value = 0;
  const auto [stop, error] = std::from_chars(id.data(), id.data() + id.size(), value);
  return error == std::errc() && stop == id.data() + id.size() ? std::optional(value) : std::nullopt;
}

// Finds documents as split files name them.
class DocumentsById {
 public:
  explicit DocumentsById(const Documents& documents) {
    for (const LabelledDocument& document : documents) {
      by_id_.emplace(document.id, &document);
      if (const auto value = value_of(document.id)) by_value_.emplace(*value, &document);
    }
  }
  const LabelledDocument* find(const nlohmann::json& id) const {
    if (id.is_string()) {
      const auto found = by_id_.find(id.get_ref<const std::string&>());
      return found == by_id_.end() ? nullptr : found->second;
    }
    const auto found = by_value_.find(id.get<int64_t>());
    return found == by_value_.end() ? nullptr : found->second;
  }

 private:
  std::unordered_map<std::string_view, const LabelledDocument*> by_id_;
  std::unordered_map<int64_t, const LabelledDocument*> by_value_;
};

Documents read_split(const nlohmann::json& ids, const std::string& path, const std::string& name,
                     const DocumentsById& documents) {
  CHECK(ids.is_array(), path, ": \"", name, "\" is a JSON ", ids.type_name(), ", needed a list of ids");
  Documents split;
  std::unordered_set<std::string> seen;
  for (const nlohmann::json& id : ids) {
    CHECK(id.is_string() || id.is_number_integer(), path, ": an id of \"", name, "\" is ",
          id.dump().substr(0, 40), ", needed a text or a whole number");
    const LabelledDocument* const document = documents.find(id);
    CHECK(document, path, ": \"", name, "\" has the id ", id.dump(), ", which no document has");
    CHECK(seen.insert(document->id).second, path, ": \"", name, "\" has the id ", id.dump(), " twice");
    split.push_back(*document);
  }
  return split;
}

void notice_ids(const std::string& path, const DocumentSplits& splits, const Documents& documents,
                std::vector<std::string>& notices) {
  const std::pair<const char*, const Documents*> named[] = {
      {"train", &splits.train}, {"validation", &splits.validation}, {"test", &splits.test}};
  std::map<std::string_view, std::set<std::string_view>> where;
  for (const auto& [name, split] : named) {
    for (const LabelledDocument& document : *split) where[document.id].insert(name);
  }
  for (const auto& [first, second] :
       {std::pair("train", "validation"), std::pair("train", "test"), std::pair("validation", "test")}) {
    FirstNames shared;
    for (const auto& [id, names] : where) {
      if (names.contains(first) && names.contains(second)) shared.add(shown(std::string(id)));
    }
    if (shared.count() > 0) {
      notices.push_back(text(path, ": ", shared.count(), " id", plural(shared.count()), " of ", first, " ",
                             shared.count() == 1 ? "is" : "are", " in ", second, " too: ", shared.list()));
    }
  }
  FirstNames unused;
  for (const LabelledDocument& document : documents) {
    if (!where.contains(document.id)) unused.add(shown(document.id));
  }
  if (unused.count() > 0) {
    notices.push_back(text(path, ": ", unused.count(), " of ", documents.size(),
                           " documents are in no split and left out: ", unused.list()));
  }
}

// By which documents are ordered: the same for documents of one text, which follow the first of their ids.
std::vector<std::string> keys_of(const Documents& documents, uint64_t seed) {
  std::vector<std::string> hashes = hashes_of(documents);
  std::unordered_map<std::string_view, std::string_view> first_id;
  for (size_t i = 0; i < documents.size(); ++i) {
    const auto [found, added] = first_id.emplace(hashes[i], documents[i].id);
    if (!added) found->second = std::min<std::string_view>(found->second, documents[i].id);
  }
  std::vector<std::string> keys;
  for (size_t i = 0; i < documents.size(); ++i)
    keys.push_back(hash_of(text(seed, ' ', first_id.at(hashes[i]))));
  return keys;
}

}  // namespace

Documents cut_share(Documents& documents, double share, uint64_t seed) {
  if (!(share > 0 && share < 1))
    throw UsageError(text("split: a share of ", share, ", needed 0 < share < 1"));
  std::map<std::optional<std::string>, std::vector<std::pair<std::string, size_t>>> by_label;
  const std::vector<std::string> keys = keys_of(documents, seed);
  for (size_t i = 0; i < documents.size(); ++i) by_label[documents[i].label].emplace_back(keys[i], i);
  std::vector<bool> goes(documents.size());
  for (auto& [label, members] : by_label) {
    std::sort(members.begin(), members.end());
    auto count = static_cast<size_t>(std::llround(share * static_cast<double>(members.size())));
    while (count > 0 && count < members.size() && members[count].first == members[count - 1].first) ++count;
    for (size_t i = 0; i < count; ++i) goes[members[i].second] = true;
  }
  Documents cut, left;
  for (size_t i = 0; i < documents.size(); ++i) (goes[i] ? cut : left).push_back(std::move(documents[i]));
  const size_t total = cut.size() + left.size();
  CHECK(!cut.empty() && !left.empty(), "a share of ", share, " of ", total, " documents is ",
        cut.empty() ? "none" : "all", " of them; take another share or more documents");
  documents = std::move(left);
  return cut;
}

void cut_shares(const SplitShares& shares, const std::string& what, DocumentSplits& splits,
                std::vector<std::string>& notices) {
  const double all = static_cast<double>(splits.train.size());
  const auto cut = [&](double share, Documents& split, const char* name) {
    if (share == 0 || !split.empty()) return;
    try {
      split = cut_share(splits.train, share * all / static_cast<double>(splits.train.size()), shares.seed);
    } catch (const Error& error) {
      throw Error(text(what, " cut from training for ", name, ": ", error.what()));
    }
    notices.push_back(text(split.size(), ' ', what, " were cut from training for ", name, " (share ", share,
                           ", seed ", shares.seed, ")"));
  };
  cut(shares.test, splits.test, "test");
  cut(shares.validation, splits.validation, "validation");
}

DocumentSplits divide_by_file(const Documents& documents, const std::string& path,
                              std::vector<std::string>& notices) {
  const nlohmann::json file = parse_json(read_text_file(path), path);
  constexpr const char* kNeeded = R"({"train": [ids], "dev": [ids], "test": [ids]})";
  CHECK(file.is_object(), path, ": a JSON ", file.type_name(), ", needed ", kNeeded);
  CHECK(file.contains("train"), path, ": no \"train\", needed ", kNeeded);
  CHECK(!file.contains("dev") || !file.contains("validation"), path, ": has both \"dev\" and \"validation\"");
  const DocumentsById by_id(documents);
  DocumentSplits splits;
  for (const auto& [name, ids] : file.items()) {
    Documents* const split = name == "train"                         ? &splits.train
                             : name == "dev" || name == "validation" ? &splits.validation
                             : name == "test"                        ? &splits.test
                                                                     : nullptr;
    CHECK(split, path, ": a split ", escaped(name), ", needed ", kNeeded);
    *split = read_split(ids, path, name, by_id);
  }
  CHECK(!splits.train.empty(), path, ": \"train\" is empty");
  notice_ids(path, splits, documents, notices);
  return splits;
}

std::vector<std::string> find_leaks(const DocumentSplits& splits) {
  return shared_texts("documents",
                      {texts_of("train", splits.train), texts_of("validation", splits.validation),
                       texts_of("test", splits.test)});
}

std::vector<std::string> drop_leaks(DocumentSplits& splits) {
  std::vector<std::string> notices;
  const auto validation = hashes_of(splits.validation), test = hashes_of(splits.test);
  std::unordered_set<std::string> kept(test.begin(), test.end());
  drop("validation", splits.validation, validation, kept, notices);
  kept.insert(validation.begin(), validation.end());
  drop("train", splits.train, hashes_of(splits.train), kept, notices);
  return notices;
}

}  // namespace lf
