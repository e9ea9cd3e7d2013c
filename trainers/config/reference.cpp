#include "trainers/config/reference.h"

#include <limits>
#include <utility>
#include <vector>

#include "core/format.h"
#include "trainers/config/outline.h"
#include "trainers/config/run_config.h"

namespace lf {

namespace {

constexpr const char* kIntroduction = R"(# Configuration reference

Generated from the field lists in `trainers/config/` by `longform check --write-reference docs`; do not edit.

A run is described by one YAML file. Keys that are left out have the default below; an unknown, repeated or
contradictory key is an error with file, line and column, and all errors are reported at once.

- `include: base.yaml` (a name or a list of names, relative to the including file) reads other files first.
  Later keys override earlier ones; sections are merged key by key; lists are replaced as a whole.
- `--set section.key=value` overrides one key: `--set stages.count=3`, `--set data.split=[0.8,0.1,0.1]`,
  `--set stages.list.0.steps=100` (elements are counted from 0).
- The run folder's `config.yaml` has every key written out and starts the same run again.
- [config.schema.json](config.schema.json) lets an editor complete and check keys: begin a file with
  `# yaml-language-server: $schema=PATH/docs/config.schema.json`.
)";

std::string type_words(const KeyInfo& key) {
  switch (key.kind) {
    case KeyKind::whole:
      return "whole number";
    case KeyKind::number:
      return "number";
    case KeyKind::boolean:
      return "true or false";
    case KeyKind::text:
      return "text";
    case KeyKind::texts:
      return "list of texts";
    case KeyKind::choice:
      return joined(key.choices);
    case KeyKind::numbers:
      return text("list of ", key.count, " numbers");
    case KeyKind::per_layer:
      return "whole number, or one per layer";
    case KeyKind::section:
      return "section";
    case KeyKind::section_list:
      return "list of sections";
  }
  return "";
}

std::string default_words(const KeyInfo& key) {
  if (key.required) return "required";
  if (key.default_value.kind == NodeKind::nothing) return "";
  const std::string written = yaml_text(key.default_value);
  return "`" + written.substr(0, written.size() - 1) + "`";
}

bool is_section(const KeyInfo& key) {
  return key.kind == KeyKind::section || key.kind == KeyKind::section_list;
}

// The table of a section's own keys, then its sections, each under its path.
std::string markdown(const std::vector<KeyInfo>& keys, const std::string& path) {
  std::string table, below;
  for (const KeyInfo& key : keys) {
    const std::string inner = join_path(path, key.name);
    if (is_section(key)) {
      const std::string suffix = key.kind == KeyKind::section_list ? " (one entry)" : "";
      below += "\n## " + inner + suffix + "\n\n" + key.description + "\n" + markdown(key.keys, inner);
      continue;
    }
    const std::string bounds = range_words(key.range);
    table += "| `" + key.name + "` | " + type_words(key) + (bounds.empty() ? "" : ", " + bounds) + " | " +
             default_words(key) + " | " + key.description + " |\n";
  }
  if (!table.empty()) table = "\n| key | type | default | meaning |\n|---|---|---|---|\n" + table;
  return table + below;
}

void set_range(Node& schema, const Range& range) {
  const double infinity = std::numeric_limits<double>::infinity();
  if (range.low != -infinity) schema.set(range.low_open ? "exclusiveMinimum" : "minimum", to_node(range.low));
  if (range.high != infinity)
    schema.set(range.high_open ? "exclusiveMaximum" : "maximum", to_node(range.high));
}

Node typed(const std::string& type, const Range& range) {
  Node schema = Node::map();
  schema.set("type", Node::text(type));
  set_range(schema, range);
  return schema;
}

Node array_of(Node items, size_t least, size_t most) {
  Node schema = typed("array", {});
  schema.set("items", std::move(items));
  schema.set("minItems", to_node(static_cast<int64_t>(least)));
  if (most > 0) schema.set("maxItems", to_node(static_cast<int64_t>(most)));
  return schema;
}

Node either(Node one, Node other) {
  Node schema = Node::map();
  schema.set("oneOf", Node::list_of({std::move(one), std::move(other)}));
  return schema;
}

Node object(const std::vector<KeyInfo>& keys);

Node value_schema(const KeyInfo& key) {
  switch (key.kind) {
    case KeyKind::whole:
      return typed("integer", key.range);
    case KeyKind::number:
      return typed("number", key.range);
    case KeyKind::boolean:
      return typed("boolean", {});
    case KeyKind::text:
      return typed("string", {});
    case KeyKind::texts:
      return array_of(typed("string", {}), 0, 0);
    case KeyKind::choice: {
      std::vector<Node> names;
      for (const std::string& name : key.choices) names.push_back(Node::text(name));
      Node schema = Node::map();
      schema.set("enum", Node::list_of(std::move(names)));
      return schema;
    }
    case KeyKind::numbers:
      return array_of(typed("number", key.range), key.count, key.count);
    case KeyKind::per_layer:
      return either(typed("integer", key.range), array_of(typed("integer", key.range), 1, 0));
    case KeyKind::section:
      return object(key.keys);
    case KeyKind::section_list:
      return array_of(object(key.keys), 1, 0);
  }
  return Node{};
}

Node object(const std::vector<KeyInfo>& keys) {
  Node properties = Node::map();
  for (const KeyInfo& key : keys) {
    Node schema = value_schema(key);
    schema.set("description", Node::text(key.description));
    if (key.default_value.kind != NodeKind::nothing) schema.set("default", key.default_value);
    properties.set(key.name, std::move(schema));
  }
  Node schema = typed("object", {});
  schema.set("additionalProperties", to_node(false));
  schema.set("properties", std::move(properties));
  return schema;
}

}  // namespace

std::string config_markdown() {
  return kIntroduction + std::string("\n## Top level\n") + markdown(outline<RunConfig>(), "");
}

std::string config_json_schema() {
  Node schema = object(outline<RunConfig>());
  Node include = either(typed("string", {}), array_of(typed("string", {}), 1, 0));
  include.set("description", Node::text("Files read before this one, relative to it."));
  schema.find("properties")->set("include", std::move(include));
  Node root = Node::map();
  root.set("$schema", Node::text("https://json-schema.org/draft/2020-12/schema"));
  root.set("title", Node::text("Longform configuration"));
  for (Entry& entry : schema.entries) root.set(entry.key, std::move(entry.value));
  return json_text(root);
}

}  // namespace lf
