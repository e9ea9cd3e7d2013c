#include "trainers/config/write_fields.h"

#include <yaml-cpp/emitter.h>

#include <algorithm>
#include <cstdio>

namespace lf {

namespace {

void emit(YAML::Emitter& out, const Node& node) {
  switch (node.kind) {
    case NodeKind::nothing:
      out << YAML::Null;
      return;
    case NodeKind::scalar:
      out << node.scalar;
      return;
    case NodeKind::list: {
      const bool scalars = std::all_of(node.items.begin(), node.items.end(),
                                       [](const Node& item) { return item.kind == NodeKind::scalar; });
      out << (scalars ? YAML::Flow : YAML::Block) << YAML::BeginSeq;
      for (const Node& item : node.items) emit(out, item);
      out << YAML::EndSeq;
      return;
    }
    case NodeKind::map:
      out << YAML::BeginMap;
      for (const Entry& entry : node.entries) {
        out << YAML::Key << entry.key << YAML::Value;
        emit(out, entry.value);
      }
      out << YAML::EndMap;
      return;
  }
}

std::string json_string(const std::string& words) {
  std::string quoted = "\"";
  for (const char letter : words) {
    if (letter == '"' || letter == '\\') quoted += '\\';
    if (static_cast<unsigned char>(letter) >= 0x20) {
      quoted += letter;
      continue;
    }
    char code[8];
    std::snprintf(code, sizeof code, "\\u%04x", static_cast<unsigned>(letter));
    quoted += code;
  }
  return quoted + "\"";
}

std::string json(const Node& node, const std::string& indent) {
  const std::string inner = indent + "  ";
  std::string body;
  const auto line = [&](const std::string& value) { body += (body.empty() ? "" : ",") + inner + value; };
  switch (node.kind) {
    case NodeKind::nothing:
      return "null";
    case NodeKind::scalar:
      return node.quoted ? json_string(node.scalar) : node.scalar;
    case NodeKind::list:
      for (const Node& item : node.items) line(json(item, inner));
      return body.empty() ? "[]" : "[" + body + indent + "]";
    case NodeKind::map:
      for (const Entry& entry : node.entries) line(json_string(entry.key) + ": " + json(entry.value, inner));
      return body.empty() ? "{}" : "{" + body + indent + "}";
  }
  return "";
}

}  // namespace

std::string yaml_text(const Node& root) {
  YAML::Emitter out;
  emit(out, root);
  return std::string(out.c_str(), out.size()) + "\n";
}

std::string json_text(const Node& root) { return json(root, "\n") + "\n"; }

}  // namespace lf
