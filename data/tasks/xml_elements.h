// The elements of one name that an XML file of any size consists of, one at a time: <articles> <article> ...
// as data sets publish them. Only one element is in memory.
#pragma once

#include <cstdint>
#include <pugixml.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "data/byte_source.h"

namespace lf {

// The most bytes that an element may have.
inline constexpr int64_t kLongestElement = int64_t{256} << 20;

class XmlElements {
 public:
  // The elements called `name` directly below the root of the file.
  XmlElements(const std::string& path, std::string name);

  // The next element; false at the end. Throws Error "PATH:LINE: ..." for what is not well-formed, inside the
  // elements and between them, for other elements and text between them, for invalid UTF-8 and other
  // encodings, and for an element of more than kLongestElement bytes.
  bool next(pugi::xml_document& element);

  // "PATH:LINE" of the element that next() came to.
  std::string where() const;

 private:
  bool read_more();
  bool find(std::string_view what, size_t from, size_t& found);
  size_t end_of_tag(size_t from);
  size_t end_of_element(size_t begin);
  size_t find_begin();
  void keep_between(size_t bytes);
  void drop(size_t bytes);
  void check_between();

  std::string path_, name_;
  ByteSource source_;
  bool at_begin_ = true;
  std::string buffer_;                             // what was read and not handed out
  std::string between_;                            // all that stood between the elements
  std::vector<std::pair<size_t, int64_t>> lines_;  // where in between_ a piece begins, and its line
  int64_t line_ = 1, element_line_ = 1;            // line_: of the buffer's begin
};

// All text within a node, in the file's order.
std::string text_within(const pugi::xml_node& node);

}  // namespace lf
