// Elements are found by their tags and parsed one by one. What stands between them, the file without its
// elements, is kept and parsed at the end like a file of its own: it must be a root with nothing in it.
#include "data/tasks/xml_elements.h"

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

constexpr size_t kLongestBetween = 64 << 20;
constexpr auto kNone = std::string::npos;

bool ends_name(char letter) {
  return letter == '>' || letter == '/' || letter == ' ' || letter == '\t' || letter == '\r' ||
         letter == '\n';
}

// Behind an "&": amp; and its four kin, or a number. Others would need a document type that declares them.
bool begins_reference(std::string_view rest) {
  for (const std::string_view name : {"amp;", "lt;", "gt;", "quot;", "apos;"}) {
    if (rest.starts_with(name)) return true;
  }
  if (!rest.starts_with('#')) return false;
  const bool hexadecimal = rest.starts_with("#x");
  const std::string_view digits = rest.substr(hexadecimal ? 2 : 1);
  const size_t end = digits.find_first_not_of(hexadecimal ? "0123456789abcdefABCDEF" : "0123456789");
  return end != digits.npos && end > 0 && digits[end] == ';';
}

// The first "&" that begins no reference; the parser leaves such as they are. The element's end without one.
size_t first_bad_reference(std::string_view element) {
  for (size_t at = element.find_first_of("&<"); at != element.npos;
       at = element.find_first_of("&<", at + 1)) {
    if (element[at] == '&') {
      if (!begins_reference(element.substr(at + 1))) return at;
      continue;
    }
    for (const auto& [opening, closing] : {std::pair("<![CDATA[", "]]>"), std::pair("<!--", "-->")}) {
      if (element.substr(at).starts_with(opening))
        at = std::min(element.find(closing, at), element.size() - 1);
    }
  }
  return element.size();
}

int64_t count_lines(std::string_view text) { return std::count(text.begin(), text.end(), '\n'); }

}  // namespace

XmlElements::XmlElements(const std::string& path, std::string name)
    : path_(path), name_(std::move(name)), source_(path) {}

std::string XmlElements::where() const { return text(path_, ':', element_line_); }

bool XmlElements::read_more() {
  CHECK(std::ssize(buffer_) <= kLongestElement, path_, ':', line_, ": no end of <", name_, "> within ",
        kLongestElement >> 20, " MiB");
  const size_t before = buffer_.size();
  buffer_.resize(before + kReadAtOnce);
  buffer_.resize(before + source_.read({reinterpret_cast<uint8_t*>(buffer_.data()) + before, kReadAtOnce}));
  if (std::exchange(at_begin_, false)) buffer_.erase(0, text_begin(path_, buffer_));
  return buffer_.size() > before;
}

// The first place of `what` from `from` on; false when the file has none.
bool XmlElements::find(std::string_view what, size_t from, size_t& found) {
  while ((found = buffer_.find(what, from)) == kNone) {
    from = std::max(from, buffer_.size() - std::min(buffer_.size(), what.size() - 1));
    if (!read_more()) return false;
  }
  return true;
}

// Behind the ">" of the tag that begins at `from`; npos when the file ends before. Values may hold a ">".
size_t XmlElements::end_of_tag(size_t from) {
  char quote = 0;
  for (size_t at = from; at < buffer_.size() || read_more(); ++at) {
    const char letter = buffer_[at];
    if (quote != 0) {
      if (letter == quote) quote = 0;
    } else if (letter == '"' || letter == '\'') {
      quote = letter;
    } else if (letter == '>') {
      return at + 1;
    }
  }
  return kNone;
}

// Where the next element begins; npos when there is no further one.
size_t XmlElements::find_begin() {
  const std::string tag = "<" + name_;
  for (size_t at = 0; find(tag, at, at); ++at) {
    while (buffer_.size() <= at + tag.size() && read_more()) {
    }
    if (at + tag.size() < buffer_.size() && ends_name(buffer_[at + tag.size()])) return at;
    if (at > kReadAtOnce) {  // much between two elements need not all be in the buffer
      keep_between(at);
      at = 0;
    }
  }
  return kNone;
}

// Behind the element at the buffer's begin.
size_t XmlElements::end_of_element(size_t begin) {
  const size_t tag_end = end_of_tag(begin);
  if (tag_end != kNone && buffer_[tag_end - 2] == '/') return tag_end;
  size_t at = 0;
  const bool ended = tag_end != kNone && find("</" + name_, tag_end, at);
  const size_t end = ended ? end_of_tag(at) : kNone;
  CHECK(end != kNone, path_, ':', element_line_, ": <", name_,
        "> has no end; the file may have been cut short");
  return end;
}

void XmlElements::drop(size_t bytes) {
  line_ += count_lines(std::string_view(buffer_).substr(0, bytes));
  buffer_.erase(0, bytes);
}

void XmlElements::keep_between(size_t bytes) {
  lines_.emplace_back(between_.size(), line_);
  between_.append(buffer_, 0, bytes);
  CHECK(between_.size() <= kLongestBetween, path_, ':', line_, ": more than ", kLongestBetween >> 20,
        " MiB of other things than <", name_, ">");
  drop(bytes);
}

// At the file's end.
void XmlElements::check_between() {
  const auto line_of = [&](size_t at) {
    const auto behind = std::upper_bound(lines_.begin(), lines_.end(), at,
                                         [](size_t place, const auto& piece) { return place < piece.first; });
    const auto& [begin, line] = *std::prev(behind);
    return line + count_lines(std::string_view(between_).substr(begin, at - begin));
  };
  const size_t valid = first_invalid_utf8(between_);
  CHECK(valid == between_.size(), path_, ':', line_of(valid), ": not valid UTF-8");
  pugi::xml_document rest;
  const pugi::xml_parse_result result =
      rest.load_buffer(between_.data(), between_.size(), pugi::parse_full, pugi::encoding_utf8);
  CHECK(result, path_, ':', line_of(static_cast<size_t>(result.offset)),
        ": not well-formed XML: ", result.description());
  const std::string encoding = rest.first_child().attribute("encoding").value();
  const bool is_declared = rest.first_child().type() == pugi::node_declaration && !encoding.empty();
  CHECK(!is_declared || encoding == "UTF-8" || encoding == "utf-8" || encoding == "US-ASCII", path_,
        ": its encoding is ", escaped(encoding), ", needed UTF-8");
  for (const pugi::xml_node& child : rest.document_element().children()) {
    if (child.type() == pugi::node_comment || child.type() == pugi::node_pi) continue;
    const bool is_element = child.type() == pugi::node_element;
    const std::string_view value = child.value();
    const size_t blanks = is_element ? 0 : std::min(value.find_first_not_of(" \t\r\n"), value.size());
    throw Error(text(path_, ':', line_of(static_cast<size_t>(child.offset_debug()) + blanks), ": ",
                     is_element ? text("an element <", child.name(), ">") : "text",
                     " between the elements, needed <", name_, "> only"));
  }
}

bool XmlElements::next(pugi::xml_document& element) {
  const size_t begin = find_begin();
  if (begin == kNone) {
    keep_between(buffer_.size());
    check_between();
    return false;
  }
  keep_between(begin);
  element_line_ = line_;
  const size_t end = end_of_element(0);
  const std::string_view whole = std::string_view(buffer_).substr(0, end);
  const auto line_of = [&](size_t at) { return element_line_ + count_lines(whole.substr(0, at)); };
  const size_t valid = first_invalid_utf8(whole);
  CHECK(valid == whole.size(), path_, ':', line_of(valid), ": not valid UTF-8");
  const pugi::xml_parse_result result = element.load_buffer(
      whole.data(), whole.size(), pugi::parse_default | pugi::parse_ws_pcdata, pugi::encoding_utf8);
  CHECK(result, path_, ':', line_of(static_cast<size_t>(result.offset)),
        ": not well-formed XML: ", result.description());
  const size_t reference = first_bad_reference(whole);
  CHECK(reference == whole.size(), path_, ':', line_of(reference),
        ": not well-formed XML: & begins no reference; in text it is &amp;");
  drop(end);
  return true;
}

std::string text_within(const pugi::xml_node& node) {
  struct Walker : pugi::xml_tree_walker {
    std::string content;
    bool for_each(pugi::xml_node& visited) override {
      const bool is_text = visited.type() == pugi::node_pcdata || visited.type() == pugi::node_cdata;
      if (is_text) content += visited.value();
      return true;
    }
  } walker;
  pugi::xml_node begin = node;
  begin.traverse(walker);
  return std::move(walker.content);
}

}  // namespace lf
