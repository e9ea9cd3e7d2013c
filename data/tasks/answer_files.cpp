#include "data/tasks/answer_files.h"

#include <nlohmann/json.hpp>
#include <set>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_paths.h"
#include "core/json.h"
#include "data/byte_source.h"

namespace lf {
namespace {

using nlohmann::json;

constexpr size_t kLargestAnswerFile = size_t{4} << 30;

json read_json_file(const std::string& path) {
  check_exists(path);
  std::string content = ByteSource(path).read_rest(kLargestAnswerFile);
  return parse_json_of_python(std::move(content), path);
}

// A value in an object; `where` is the place for messages, and `type` what the value must be.
const json& value_in(const json& object, const char* key, json::value_t type, const std::string& where) {
  CHECK(object.is_object(), where, ": a JSON ", object.type_name(), ", needed an object with \"", key, "\"");
  const auto found = object.find(key);
  CHECK(found != object.end(), where, ": no \"", key, "\"");
  CHECK(found->type() == type, where, ": \"", key, "\" is a JSON ", found->type_name(), ", needed ",
        json(type).type_name());
  return *found;
}

const json& list_at(const json& object, const char* key, const std::string& where) {
  return value_in(object, key, json::value_t::array, where);
}

std::string text_at(const json& object, const char* key, const std::string& where) {
  return value_in(object, key, json::value_t::string, where).get<std::string>();
}

std::string text_in_list(const json& value, const char* what, const std::string& where) {
  CHECK(value.is_string(), where, ": ", what, " is a JSON ", value.type_name(), ", needed a text");
  return value.get<std::string>();
}

// Refuses an id that has been added before.
class Ids {
 public:
  explicit Ids(const std::string& path) : path_(path) {}
  void add(const std::string& id) {
    CHECK(seen_.insert(id).second, path_, ": the question ", escaped(id), " is there twice");
  }

 private:
  const std::string& path_;
  std::set<std::string> seen_;
};

bool flag_at(const json& object, const char* key, const std::string& where) {
  return value_in(object, key, json::value_t::boolean, where).get<bool>();
}

std::vector<std::string> trivia_answers(const json& answer, const std::string& where) {
  std::vector<std::string> answers;
  for (const json& alias : list_at(answer, "NormalizedAliases", where))
    answers.push_back(text_in_list(alias, "an alias", where));
  if (answer.contains("HumanAnswers")) {
    for (const json& human : list_at(answer, "HumanAnswers", where))
      answers.push_back(text_in_list(human, "a human's answer", where));
  }
  return answers;
}

std::vector<SupportingFact> facts_of(const json& list, const std::string& where) {
  CHECK(list.is_array(), where, ": supporting facts are a JSON ", list.type_name(), ", needed a list");
  std::vector<SupportingFact> facts;
  for (const json& fact : list) {
    CHECK(fact.is_array() && fact.size() == 2 && fact[0].is_string() && fact[1].is_number_integer(), where,
          ": a supporting fact is ", escaped(fact.dump()), R"(, needed ["title", sentence])");
    facts.emplace_back(fact[0].get<std::string>(), fact[1].get<int64_t>());
  }
  return facts;
}

std::map<std::string, std::string> texts_by_id(const json& object, const std::string& where) {
  CHECK(object.is_object(), where, ": a JSON ", object.type_name(), R"(, needed {"id": "answer"})");
  std::map<std::string, std::string> texts;
  for (const auto& [id, answer] : object.items())
    texts.emplace(id, text_in_list(answer, "the answer", where + ": question " + escaped(id)));
  return texts;
}

}  // namespace

std::vector<RightAnswers> read_squad_answers(const std::string& path) {
  const json file = read_json_file(path);
  std::vector<RightAnswers> questions;
  Ids ids(path);
  for (const json& article : list_at(file, "data", path)) {
    for (const json& paragraph : list_at(article, "paragraphs", path)) {
      for (const json& question : list_at(paragraph, "qas", path)) {
        RightAnswers& right = questions.emplace_back();
        right.id = text_at(question, "id", path);
        ids.add(right.id);
        const std::string where = path + ": question " + escaped(right.id);
        for (const json& answer : list_at(question, "answers", where))
          right.answers.push_back(text_at(answer, "text", where));
      }
    }
  }
  CHECK(!questions.empty(), path, ": no questions");
  return questions;
}

std::vector<RightAnswers> read_triviaqa_answers(const std::string& path) {
  const json file = read_json_file(path);
  const bool web = text_at(file, "Domain", path) != "Wikipedia";
  const bool verified = flag_at(file, "VerifiedEval", path);
  std::vector<RightAnswers> questions;
  Ids ids(path);
  for (const json& question : list_at(file, "Data", path)) {
    const std::string id = text_at(question, "QuestionId", path), where = path + ": question " + escaped(id);
    ids.add(id);
    if (verified && !flag_at(question, "QuestionPartOfVerifiedEval", where)) continue;
    const std::vector<std::string> answers =
        trivia_answers(value_in(question, "Answer", json::value_t::object, where), where);
    CHECK(!answers.empty(), where, " has no answers");
    if (!web) {
      questions.push_back({id, answers});
      continue;
    }
    std::set<std::string> documents;
    for (const char* kind : {"EntityPages", "SearchResults"}) {
      if (!question.contains(kind)) continue;
      for (const json& page : list_at(question, kind, where)) {
        if (verified && !flag_at(page, "DocPartOfVerifiedEval", where)) continue;
        const std::string name = text_at(page, "Filename", where);
        if (documents.insert(name).second) questions.push_back({id + "--" + name, answers});
      }
    }
  }
  CHECK(!questions.empty(), path, ": no questions");
  return questions;
}

std::map<std::string, std::string> read_answers(const std::string& path) {
  return texts_by_id(read_json_file(path), path);
}

std::vector<HotpotAnswer> read_hotpot_answers(const std::string& path) {
  const json file = read_json_file(path);
  CHECK(file.is_array() && !file.empty(), path, ": a JSON ", file.type_name(),
        ", needed a list of questions");
  std::vector<HotpotAnswer> questions;
  Ids ids(path);
  for (const json& question : file) {
    HotpotAnswer& right = questions.emplace_back();
    right.id = text_at(question, "_id", path);
    ids.add(right.id);
    const std::string where = path + ": question " + escaped(right.id);
    right.answer = text_at(question, "answer", where);
    right.facts = facts_of(list_at(question, "supporting_facts", where), where);
  }
  return questions;
}

HotpotPredictions read_hotpot_predictions(const std::string& path) {
  const json file = read_json_file(path);
  HotpotPredictions predictions;
  predictions.answers = texts_by_id(value_in(file, "answer", json::value_t::object, path), path);
  for (const auto& [id, facts] : value_in(file, "sp", json::value_t::object, path).items())
    predictions.facts.emplace(id, facts_of(facts, path + ": question " + escaped(id)));
  return predictions;
}

}  // namespace lf
