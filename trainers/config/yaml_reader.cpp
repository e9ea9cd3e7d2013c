#include "trainers/config/yaml_reader.h"

#include <yaml-cpp/binary.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "trainers/config/fields.h"

namespace lf {

namespace {

constexpr char kBinary[] = "tag:yaml.org,2002:binary";

// Builds the tree from yaml-cpp's events; `fixed` replaces all places when it is given.
class TreeBuilder : public YAML::EventHandler {
 public:
  TreeBuilder(std::string source, const Place* fixed, Problems& problems)
      : source_(std::move(source)), fixed_(fixed), problems_(problems) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    refuse_anchor(mark, anchor);
    add(at(mark, Node{}));
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    problems_.add(place(mark), path(), "aliases (*name) are not read; include: shares keys between files");
    add(at(mark, Node{}));
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    refuse_anchor(mark, anchor);
    if (tag == kBinary) {
      add(at(mark, decoded(mark, value)));
      return;
    }
    refuse_tag(mark, tag);
    refuse_zero(mark, value);
    add(at(mark, tag == "!" ? Node::text(value) : Node::plain(value)));
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    frames_.push_back({at(mark, Node::list_of({})), false, false, {}, {}});
  }

  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    refuse_anchor(mark, anchor);
    refuse_tag(mark, tag);
    frames_.push_back({at(mark, Node::map()), false, false, {}, {}});
  }

  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

  Node take_root() { return std::move(root_); }

 private:
  // A list or map that is not complete yet; a map waits for a key or for the value of `key`.
  struct Frame {
    Node node;
    bool has_key, key_is_wrong;
    std::string key;
    Place key_place;
  };

  Place place(const YAML::Mark& mark) const {
    return fixed_ ? *fixed_ : Place{source_, mark.line + 1, mark.column + 1};
  }

  Node at(const YAML::Mark& mark, Node node) const {
    node.place = place(mark);
    return node;
  }

  // The path of the value that comes next.
  std::string path() const {
    std::string path;
    for (const Frame& frame : frames_) {
      const bool in_list = frame.node.kind == NodeKind::list;
      path = join_path(path, in_list ? std::to_string(frame.node.items.size()) : frame.key);
    }
    return path;
  }

  void refuse_anchor(const YAML::Mark& mark, YAML::anchor_t anchor) {
    if (anchor == 0) return;
    problems_.add(place(mark), path(), "anchors (&name) are not read; include: shares keys between files");
  }

  // Nothing that a configuration names has one, and whatever takes C strings would read another name.
  void refuse_zero(const YAML::Mark& mark, const std::string& value) {
    if (value.find('\0') != value.npos) problems_.add(place(mark), path(), "a text with a zero byte");
  }

  void refuse_tag(const YAML::Mark& mark, const std::string& tag) {
    if (tag.empty() || tag == "?" || tag == "!") return;
    problems_.add(place(mark), path(), "tags (", tag, ") are not read");
  }

  // Of base64 in one or several lines.
  Node decoded(const YAML::Mark& mark, std::string base64) {
    std::erase_if(base64, [](char letter) {
      return std::string_view(" \t\r\n").find(letter) != std::string_view::npos;
    });
    const bool is_ascii = std::ranges::all_of(base64, [](char letter) { return letter > 0; });
    // DecodeBase64 reads beyond its table for other letters, and passes over half a byte.
    std::vector<unsigned char> bytes;
    if (is_ascii) bytes = YAML::DecodeBase64(base64);
    if (bytes.empty() || YAML::EncodeBase64(bytes.data(), bytes.size()) != base64)
      problems_.add(place(mark), path(), "not base64, as !!binary announces");
    Node node = Node::text({bytes.begin(), bytes.end()});
    refuse_zero(mark, node.scalar);
    node.binary = true;
    return node;
  }

  void close() {
    Node done = std::move(frames_.back().node);
    frames_.pop_back();
    add(std::move(done));
  }

  void add(Node node) {
    if (frames_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = frames_.back();
    if (frame.node.kind == NodeKind::list) {
      frame.node.items.push_back(std::move(node));
    } else if (!frame.has_key) {
      take_key(frame, node);
    } else {
      // yaml-cpp places an absent value at the next token.
      if (node.kind == NodeKind::nothing) node.place = frame.key_place;
      if (!frame.key_is_wrong) frame.node.entries.push_back({frame.key, frame.key_place, std::move(node)});
      frame.has_key = false;
      frame.key.clear();
    }
  }

  void take_key(Frame& frame, const Node& node) {
    frame.has_key = true;
    frame.key = node.scalar;
    frame.key_place = node.place;
    frame.key_is_wrong = true;
    if (node.kind != NodeKind::scalar || node.scalar.empty()) {
      problems_.add(node.place, path(), "a key must be a word, found ", node.words());
    } else if (frame.node.find(node.scalar)) {
      problems_.add(node.place, path(), "given twice; first at ", place_of(frame.node, node.scalar).words());
    } else {
      frame.key_is_wrong = false;
    }
  }

  std::string source_;
  const Place* fixed_;
  Problems& problems_;
  std::vector<Frame> frames_;
  Node root_;
};

// yaml-cpp's message and, for the mistakes that are made most, what to do.
std::string syntax_words(const YAML::Exception& error, const std::string& yaml) {
  std::istringstream lines(yaml);
  std::string line;
  for (int number = 1; std::getline(lines, line) && number <= error.mark.line + 1; ++number) {
    const size_t text_start = line.find_first_not_of(" \t");
    if (line.find('\t') < text_start && text_start != std::string::npos) {
      return text(error.msg, "; line ", number, " is indented by a tab, which YAML refuses; use blanks");
    }
  }
  if (error.msg == YAML::ErrorMsg::BAD_FILE) return "nested too deeply";
  if (error.msg != YAML::ErrorMsg::MAP_VALUE) return error.msg;
  return error.msg +
         "; give the keys of a section the same indent, put a blank after a key's colon, and quote text with "
         "a colon";
}

std::optional<Node> parse(const std::string& yaml, const std::string& source, const Place* fixed,
                          Problems& problems) {
  const auto place = [&](const YAML::Mark& mark) {
    return fixed ? *fixed : Place{source, mark.line + 1, mark.column + 1};
  };
  try {
    std::istringstream stream(yaml);
    YAML::Parser parser(stream);
    TreeBuilder builder(source, fixed, problems);
    if (!parser.HandleNextDocument(builder)) builder.OnNull(YAML::Mark(), 0);
    TreeBuilder rest(source, fixed, problems);
    if (parser.HandleNextDocument(rest)) {
      problems.add(rest.take_root().place, "", "a second YAML document; a configuration is one document");
    }
    return builder.take_root();
  } catch (const YAML::Exception& error) {
    const YAML::Mark mark = error.mark.is_null() ? YAML::Mark() : error.mark;
    problems.add(place(mark), "", "not valid YAML: ", syntax_words(error, yaml));
    return std::nullopt;
  }
}

}  // namespace

std::optional<Node> parse_yaml(const std::string& yaml, const std::string& source, Problems& problems) {
  return parse(yaml, source, nullptr, problems);
}

std::optional<Node> parse_override_value(const std::string& yaml, const Place& place, Problems& problems) {
  return parse(yaml, "", &place, problems);
}

}  // namespace lf
