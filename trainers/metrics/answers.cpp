#include "trainers/metrics/answers.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "data/lower_case.h"
#include "data/tokenizer/unicode_classes.h"
#include "data/tokenizer/utf8.h"
#include "trainers/metrics/ratio.h"

namespace lf {
namespace {

// What the scripts of SQuAD and HotpotQA leave out: Python's string.punctuation.
constexpr std::string_view kPunctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~";
// What TriviaQA's takes for punctuation beside these: quotation marks and an accent.
constexpr std::string_view kQuotes[] = {"\u2018", "\u2019", "\u00b4"};

bool is_quote(std::string_view character) {
  return std::find(std::begin(kQuotes), std::end(kQuotes), character) != std::end(kQuotes);
}

enum class Character { blank, word, other };

// What Python's str.split() and \w take it for.
Character kind_of(std::string_view character) {
  size_t bytes = 0;
  const char32_t code = decode_valid_utf8(character.data(), bytes);
  if (code >= 0x1C && code <= 0x1F) return Character::blank;
  switch (char_classes()[code]) {
    case CharClass::kSpace:
      return Character::blank;
    case CharClass::kLetter:
    case CharClass::kNumber:
      return Character::word;
    case CharClass::kOther:
      break;
  }
  return code == '_' ? Character::word : Character::other;
}

// Calls f(character) for each of a valid text.
template <class F>
void for_each_character(std::string_view text, F&& f) {
  for (size_t at = 0; at < text.size();) {
    size_t bytes = 0;
    decode_valid_utf8(text.data() + at, bytes);
    f(text.substr(at, bytes));
    at += bytes;
  }
}

std::string without_punctuation(std::string_view text, AnswerRules rules) {
  std::string left;
  for_each_character(text, [&](std::string_view character) {
    const bool marks = character.size() == 1 && kPunctuation.find(character[0]) != std::string_view::npos;
    if (rules == AnswerRules::triviaqa && (marks || is_quote(character)))
      left += ' ';
    else if (!marks)
      left += character;
  });
  return left;
}

// A blank in place of every article that stands between what is no word.
std::string without_articles(std::string_view text) {
  std::string left, run;
  const auto end_run = [&] {
    left += run == "a" || run == "an" || run == "the" ? " " : run;
    run.clear();
  };
  for_each_character(text, [&](std::string_view character) {
    if (kind_of(character) == Character::word) {
      run += character;
      return;
    }
    end_run();
    left += character;
  });
  end_run();
  return left;
}

std::string with_single_blanks(std::string_view text) {
  std::string words;
  bool blank = false;
  for_each_character(text, [&](std::string_view character) {
    if (kind_of(character) == Character::blank) {
      blank = !words.empty();
      return;
    }
    if (blank) words += ' ';
    blank = false;
    words += character;
  });
  return words;
}

std::vector<std::string_view> sorted_words(std::string_view answer) {
  std::vector<std::string_view> words;
  while (!answer.empty()) {
    const size_t end = std::min(answer.find(' '), answer.size());
    words.push_back(answer.substr(0, end));
    answer.remove_prefix(std::min(end + 1, answer.size()));
  }
  std::sort(words.begin(), words.end());
  return words;
}

}  // namespace

std::string normalized_answer(std::string_view answer, AnswerRules rules) {
  return with_single_blanks(without_articles(without_punctuation(lower_case(answer), rules)));
}

AnswerScore score_answer(const std::string& predicted, const std::string& right) {
  AnswerScore score{.exact = predicted == right ? 1.0 : 0.0};
  const std::vector<std::string_view> told = sorted_words(predicted), wanted = sorted_words(right);
  std::vector<std::string_view> shared;
  std::set_intersection(told.begin(), told.end(), wanted.begin(), wanted.end(), std::back_inserter(shared));
  if (shared.empty()) return score;
  const auto same = static_cast<double>(shared.size());
  score.precision = same / static_cast<double>(told.size());
  score.recall = same / static_cast<double>(wanted.size());
  score.f1 = harmonic_mean(score.precision, score.recall);
  return score;
}

AnswerScore best_score(const std::string& predicted, const std::vector<std::string>& right) {
  AnswerScore best;
  for (const std::string& answer : right) {
    const AnswerScore score = score_answer(predicted, answer);
    best.exact = std::max(best.exact, score.exact);
    if (score.f1 > best.f1) {
      best.f1 = score.f1;
      best.precision = score.precision;
      best.recall = score.recall;
    }
  }
  return best;
}

}  // namespace lf
