// What an English word is an inflection of, by its endings: Porter's algorithm (M. Porter, "An algorithm for
// suffix stripping", Program 14.3, 1980) with what NLTK changed in it (PorterStemmer.NLTK_EXTENSIONS).
#pragma once

#include <string>
#include <string_view>

namespace lf {

// The stem that NLTK 3's PorterStemmer gives, which need not be a word: "happily" becomes "happili". The word
// is in small letters of ASCII; a digit counts as a consonant. Takes time in proportion to its length.
std::string porter_stem(std::string_view word);

}  // namespace lf
