#include "trainers/config/config_tree.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "core/file_kinds.h"
#include "core/files.h"
#include "trainers/config/fields.h"
#include "trainers/config/yaml_reader.h"

namespace lf {

namespace {

namespace fs = std::filesystem;

constexpr uintmax_t kLargestFile = 1 << 20;  // bytes; a larger file is a corpus named by mistake
constexpr size_t kMostFiles = 64;            // files of one configuration; more are a tangle of includes

// Puts the keys of `over` on top of `base`.
void merge(Node& base, Node over) {
  if (over.kind == NodeKind::nothing && base.kind == NodeKind::map) return;
  if (base.kind != NodeKind::map || over.kind != NodeKind::map) {
    base = std::move(over);
    return;
  }
  base.place = over.place;
  for (Entry& entry : over.entries) {
    if (Node* value = base.find(entry.key)) {
      merge(*value, std::move(entry.value));
      for (Entry& old : base.entries) {
        if (old.key == entry.key) old.place = entry.place;
      }
    } else {
      base.entries.push_back(std::move(entry));
    }
  }
}

// Whether YAML takes the text for UTF-16 or UTF-32 (YAML 1.2.2, section 5.2): by a mark or early zero bytes.
bool is_wide_text(std::string_view yaml) {
  return yaml.starts_with("\xFF\xFE") || yaml.starts_with("\xFE\xFF") ||
         yaml.substr(0, 4).find('\0') != yaml.npos;
}

// The bytes of a file, or why they cannot be had.
std::string read_text(const fs::path& path, std::string& contents) {
  std::error_code error;
  if (fs::is_directory(path, error)) return "is a folder";
  const uintmax_t size = fs::is_regular_file(path, error) ? fs::file_size(path, error) : 0;
  if (size > kLargestFile) return text("has ", size, " bytes; a configuration has at most ", kLargestFile);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  if (!file) return text("cannot be read: ", reason(path.string(), errno ? errno : EIO));
  // A device or a pipe has no size beforehand, and may have no end.
  contents.resize(kLargestFile + 1);
  file.read(contents.data(), static_cast<std::streamsize>(contents.size()));
  contents.resize(static_cast<size_t>(file.gcount()));
  if (contents.size() > kLargestFile) return text("has more than ", kLargestFile, " bytes");
  if (file.bad()) return "cannot be read";
  const std::string other = stand_in(contents);
  if (!other.empty()) return "is " + other;
  const size_t zero = contents.find('\0');
  if (zero == contents.npos || is_wide_text(contents)) return "";
  return text("is binary data, no YAML: byte ", zero, " is 0x00");
}

class Loader {
 public:
  explicit Loader(Problems& problems) : problems_(problems) {}

  std::optional<Node> load(const fs::path& path, const Place& place, const std::string& key) {
    std::string contents;
    const std::string trouble = read_text(path, contents);
    if (!trouble.empty()) {
      problems_.add(place, key, key.empty() ? "" : path.string() + " ", trouble);
      return std::nullopt;
    }
    chain_.push_back(path);
    std::optional<Node> root = parse(contents, path.string(), path.parent_path());
    chain_.pop_back();
    return root;
  }

  std::optional<Node> parse(const std::string& yaml, const std::string& name, const fs::path& folder) {
    std::optional<Node> root = parse_yaml(yaml, name, problems_);
    if (!root || !includes(*root)) return root;
    Node merged = Node::map();
    bool complete = true;
    for (const Node& file : take_includes(*root)) {
      std::optional<Node> base = include(file, folder);
      if (base) merge(merged, std::move(*base));
      complete = complete && base;
    }
    merge(merged, std::move(*root));
    return complete ? std::optional(std::move(merged)) : std::nullopt;
  }

 private:
  static bool includes(const Node& root) {
    return root.kind == NodeKind::map && root.find("include") != nullptr;
  }

  // The names of the included files; removes the key.
  static std::vector<Node> take_includes(Node& root) {
    const Node value = *root.find("include");
    std::erase_if(root.entries, [](const Entry& entry) { return entry.key == "include"; });
    return value.kind == NodeKind::list ? value.items : std::vector<Node>{value};
  }

  std::optional<Node> include(const Node& file, const fs::path& folder) {
    if (file.kind != NodeKind::scalar || file.scalar.empty()) {
      problems_.add(file.place, "include", "expected a file name or a list of them, found ", file.words());
      return std::nullopt;
    }
    if (file.scalar.find('\0') != file.scalar.npos) return std::nullopt;  // the reader said so
    const fs::path path = (folder / file.scalar).lexically_normal();
    std::string way;
    bool cycle = false;
    for (const fs::path& open : chain_) {
      cycle = cycle || fs::weakly_canonical(open) == fs::weakly_canonical(path);
      way += open.string() + " -> ";
    }
    if (cycle) {
      problems_.add(file.place, "include", "files include each other: ", way, path.string());
      return std::nullopt;
    }
    if (++files_ > kMostFiles) {
      problems_.add(file.place, "include", "more than ", kMostFiles, " files are included");
      return std::nullopt;
    }
    return load(path, file.place, "include");
  }

  Problems& problems_;
  std::vector<fs::path> chain_;  // the files being read, each included by the one before
  size_t files_ = 0;
};

std::optional<Node> require_map(std::optional<Node> root, Problems& problems) {
  if (!root || root->kind == NodeKind::map) return root;
  if (root->kind == NodeKind::nothing) {
    Node empty = Node::map();
    empty.place = root->place;
    return empty;
  }
  problems.add(root->place, "", "expected keys such as `model:`, found ", root->words());
  return std::nullopt;
}

// A list, quoted text or !!binary is YAML; anything else is taken letter by letter, so that a path needs no
// quotes.
std::optional<Node> override_value(const std::string& value, const Place& place, Problems& problems) {
  const bool is_quoted_or_list = !value.empty() && std::string("[{\"'").find(value.front()) != value.npos;
  if (is_quoted_or_list || value.starts_with("!!binary "))
    return parse_override_value(value, place, problems);
  Node node = Node::plain(value);
  node.place = place;
  return node;
}

// The child of a map or list that a part of an override's path names, made if it is missing; null and a
// problem when there cannot be one.
Node* step_into(Node& node, const std::string& part, const std::string& path, const Place& place,
                Problems& problems) {
  if (node.kind == NodeKind::list) {
    const size_t position = is_position(part) && part.size() <= 6 ? std::stoul(part) : SIZE_MAX;
    if (position == node.items.size()) {  // one more
      node.items.push_back({});
      node.items.back().place = place;
    }
    if (position < node.items.size()) return &node.items[position];
    problems.add(place, path, "no such element; the list has ", node.items.size(), ", counted from 0");
    return nullptr;
  }
  if (node.kind == NodeKind::scalar) {
    problems.add(place, path, "no such key; the key above it has a value, not keys");
    return nullptr;
  }
  if (node.kind == NodeKind::nothing) {
    node = Node::map();
    node.place = place;
  }
  if (Node* child = node.find(part)) return child;
  Node child;
  child.place = place;
  node.set(part, std::move(child));
  return &node.entries.back().value;
}

}  // namespace

std::optional<Node> read_config_tree(const std::string& path, Problems& problems) {
  return require_map(Loader(problems).load(path, Place{path}, ""), problems);
}

std::optional<Node> parse_config_tree(const std::string& yaml, const std::string& name, Problems& problems) {
  return require_map(Loader(problems).parse(yaml, name, ""), problems);
}

void apply_override(Node& root, const std::string& setting, Problems& problems) {
  const Place place{"--set " + setting};
  const size_t equals = setting.find('=');
  const std::vector<std::string> parts = split_path(setting.substr(0, equals));
  if (equals == std::string::npos || std::find(parts.begin(), parts.end(), "") != parts.end()) {
    problems.add(place, "", "expected key=value, such as stages.count=3");
    return;
  }
  std::optional<Node> value = override_value(setting.substr(equals + 1), place, problems);
  if (!value) return;
  Node* node = &root;
  Entry* last = nullptr;
  std::string path;
  for (const std::string& part : parts) {
    path = join_path(path, part);
    Node* const parent = node;
    node = step_into(*parent, part, path, place, problems);
    if (!node) return;
    last = nullptr;
    for (Entry& entry : parent->entries) {
      if (entry.key == part) last = &entry;
    }
  }
  if (last) last->place = place;
  *node = std::move(*value);
}

}  // namespace lf
