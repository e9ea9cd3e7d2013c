// The cleaning of news articles that was published with Longformer's split of Hyperpartisan.
#pragma once

#include <string>
#include <string_view>

namespace lf {

// Valid UTF-8 in and out. In this order, each over the whole text:
//   1. two words of ASCII letters joined by a slash ("and/or") become a blank
//   2. line ends become blanks, and a literal "&#160;" goes
//   3. what begins with http, www or href goes, up to the next white space
//   4. white space becomes one blank
//   5. of several ! ? . in a row the last stays
//   6. within a word, a character that stands three times or more before a border of a word stands once
//      ("sooo" becomes "so"; so does "2000" become "20", which is how it was published)
//   7. blanks at the ends go
std::string clean_article(std::string_view text);

}  // namespace lf
