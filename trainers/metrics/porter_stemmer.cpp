#include "trainers/metrics/porter_stemmer.h"

#include <algorithm>
#include <iterator>
#include <span>

namespace lf {
namespace {

bool is_vowel_letter(char letter) { return std::string_view("aeiou").find(letter) != std::string_view::npos; }

// A y is a consonant where no consonant stands before it: of a run of them, every other one.
bool is_consonant(std::string_view word, size_t at) {
  size_t run_begin = at;
  while (run_begin > 0 && word[run_begin] == 'y') --run_begin;
  const bool begins_with_consonant = !is_vowel_letter(word[run_begin]);
  return begins_with_consonant == ((at - run_begin) % 2 == 0);
}

struct Sounds {
  int measure = 0;  // how often a consonant follows a vowel: m of the paper
  bool has_vowel = false;
};

Sounds sounds_of(std::string_view stem) {
  Sounds sounds;
  bool after_consonant = false;
  for (size_t i = 0; i < stem.size(); ++i) {
    const bool consonant = stem[i] == 'y' ? !after_consonant : !is_vowel_letter(stem[i]);
    if (i > 0 && consonant && !after_consonant) ++sounds.measure;
    if (!consonant) sounds.has_vowel = true;
    after_consonant = consonant;
  }
  return sounds;
}

int measure_of(std::string_view stem) { return sounds_of(stem).measure; }

// *d of the paper.
bool ends_in_double_consonant(std::string_view word) {
  const size_t size = word.size();
  return size >= 2 && word[size - 1] == word[size - 2] && is_consonant(word, size - 1);
}

// *o of the paper: consonant, vowel, consonant that is not w, x or y; NLTK adds words of a vowel and a
// consonant.
bool ends_in_short_syllable(std::string_view word) {
  const size_t size = word.size();
  if (size == 2) return !is_consonant(word, 0) && is_consonant(word, 1);
  return size >= 3 && is_consonant(word, size - 3) && !is_consonant(word, size - 2) &&
         is_consonant(word, size - 1) && std::string_view("wxy").find(word.back()) == std::string_view::npos;
}

std::string_view without(std::string_view word, size_t letters) {
  return word.substr(0, word.size() - letters);
}

// Not resize(), of which GCC 12 believes that it may grow the word.
void strip(std::string& word, size_t letters) { word.erase(word.size() - letters); }

struct Ending {
  std::string_view suffix, replacement;
};

// The first ending that the word has decides, whether it is then replaced or not.
void replace_ending(std::string& word, std::span<const Ending> endings, int least_measure) {
  for (const Ending& ending : endings) {
    if (!word.ends_with(ending.suffix)) continue;
    const std::string_view stem = without(word, ending.suffix.size());
    // Two that do not look at the stem alone: "logi" lends it its l, and "ion" needs an s or t before it.
    const std::string_view measured = ending.suffix == "logi" ? without(word, 3) : stem;
    if (measure_of(measured) < least_measure) return;
    if (ending.suffix == "ion" && !stem.ends_with('s') && !stem.ends_with('t')) return;
    word.replace(stem.size(), ending.suffix.size(), ending.replacement);
    return;
  }
}

// Step 1a: plurals.
void strip_plural(std::string& word) {
  if (word.ends_with("ies")) {
    strip(word, word.size() == 4 ? 1 : 2);  // dies, die; flies, fli
  } else if (word.ends_with("sses")) {
    strip(word, 2);
  } else if (word.ends_with('s') && !word.ends_with("ss")) {
    word.pop_back();
  }
}

// What is left of a word without its "ed" or "ing" gets the end of a verb again.
void repair_verb(std::string& word) {
  if (word.ends_with("at") || word.ends_with("bl") || word.ends_with("iz")) {
    word += 'e';
  } else if (ends_in_double_consonant(word)) {
    if (std::string_view("lsz").find(word.back()) == std::string_view::npos) word.pop_back();
  } else if (measure_of(word) == 1 && ends_in_short_syllable(word)) {
    word += 'e';
  }
}

// Step 1b: participles.
void strip_participle(std::string& word) {
  if (word.ends_with("ied")) {
    strip(word, word.size() == 4 ? 1 : 2);  // died, die; spied, spi
  } else if (word.ends_with("eed")) {
    if (measure_of(without(word, 3)) > 0) word.pop_back();
  } else {
    const size_t letters = word.ends_with("ed") ? 2 : word.ends_with("ing") ? 3 : 0;
    if (letters == 0 || !sounds_of(without(word, letters)).has_vowel) return;
    strip(word, letters);
    repair_verb(word);
  }
}

// Step 1c, as NLTK has it: whether a vowel stands anywhere before the y does not matter.
void turn_y_into_i(std::string& word) {
  if (word.size() > 2 && word.back() == 'y' && is_consonant(word, word.size() - 2)) word.back() = 'i';
}

// Step 2. NLTK's "alli" comes before all others, which have another try then, and its "bli" takes the place
// of the paper's "abli".
void shorten_double_suffix(std::string& word) {
  static constexpr Ending kEndings[] = {
      {"ational", "ate"}, {"tional", "tion"}, {"enci", "ence"}, {"anci", "ance"}, {"izer", "ize"},
      {"bli", "ble"},     {"alli", "al"},     {"entli", "ent"}, {"eli", "e"},     {"ousli", "ous"},
      {"ization", "ize"}, {"ation", "ate"},   {"ator", "ate"},  {"alism", "al"},  {"iveness", "ive"},
      {"fulness", "ful"}, {"ousness", "ous"}, {"aliti", "al"},  {"iviti", "ive"}, {"biliti", "ble"},
      {"fulli", "ful"},   {"logi", "log"}};
  if (word.ends_with("alli") && measure_of(without(word, 4)) > 0) strip(word, 2);
  replace_ending(word, kEndings, 1);
}

// Step 3.
void strip_third_suffix(std::string& word) {
  static constexpr Ending kEndings[] = {{"icate", "ic"}, {"ative", ""}, {"alize", "al"}, {"iciti", "ic"},
                                        {"ical", "ic"},  {"ful", ""},   {"ness", ""}};
  replace_ending(word, kEndings, 1);
}

// Step 4.
void strip_last_suffix(std::string& word) {
  static constexpr Ending kEndings[] = {{"al", ""},   {"ance", ""}, {"ence", ""}, {"er", ""},    {"ic", ""},
                                        {"able", ""}, {"ible", ""}, {"ant", ""},  {"ement", ""}, {"ment", ""},
                                        {"ent", ""},  {"ion", ""},  {"ou", ""},   {"ism", ""},   {"ate", ""},
                                        {"iti", ""},  {"ous", ""},  {"ive", ""},  {"ize", ""}};
  replace_ending(word, kEndings, 2);
}

// Steps 5a and 5b.
void strip_final_e_and_l(std::string& word) {
  if (word.ends_with('e')) {
    const std::string_view stem = without(word, 1);
    const int measure = measure_of(stem);
    if (measure > 1 || (measure == 1 && !ends_in_short_syllable(stem))) word.pop_back();
  }
  if (word.ends_with("ll") && measure_of(without(word, 1)) > 1) word.pop_back();
}

struct IrregularWord {
  std::string_view word, stem;
};
constexpr IrregularWord kIrregular[] = {
    {"sky", "sky"},        {"skies", "sky"},       {"dying", "die"},        {"lying", "lie"},
    {"tying", "tie"},      {"news", "news"},       {"innings", "inning"},   {"inning", "inning"},
    {"outings", "outing"}, {"outing", "outing"},   {"cannings", "canning"}, {"canning", "canning"},
    {"howe", "howe"},      {"proceed", "proceed"}, {"exceed", "exceed"},    {"succeed", "succeed"}};

}  // namespace

std::string porter_stem(std::string_view word) {
  const auto irregular = std::find_if(std::begin(kIrregular), std::end(kIrregular),
                                      [&](const IrregularWord& known) { return known.word == word; });
  if (irregular != std::end(kIrregular)) return std::string(irregular->stem);
  std::string stem(word);
  if (stem.size() <= 2) return stem;
  strip_plural(stem);
  strip_participle(stem);
  turn_y_into_i(stem);
  shorten_double_suffix(stem);
  strip_third_suffix(stem);
  strip_last_suffix(stem);
  strip_final_e_and_l(stem);
  return stem;
}

}  // namespace lf
