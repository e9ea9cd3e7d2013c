#include "trainers/config/write_fields.h"

#include <yaml-cpp/binary.h>
#include <yaml-cpp/emitter.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {

namespace {

// Whether yaml-cpp writes the text so that it reads as the same: of what is no UTF-8 and of Unicode's
// noncharacters (U+FFFE, ...) it makes U+FFFD.
bool is_plain_yaml(const std::string& scalar) {
  const auto is_ascii = [](char letter) { return static_cast<unsigned char>(letter) < 0x80; };
  if (std::ranges::all_of(scalar, is_ascii)) return true;
  YAML::Emitter quoted;
  quoted << YAML::DoubleQuoted << scalar;
  return is_utf8(scalar) &&
         std::string_view(quoted.c_str(), quoted.size()).find("\xEF\xBF\xBD") == std::string_view::npos;
}

void emit(YAML::Emitter& out, const Node& node) {
  switch (node.kind) {
    case NodeKind::nothing:
      out << YAML::Null;
      return;
    case NodeKind::scalar:
      if (is_plain_yaml(node.scalar)) {
        out << node.scalar;
      } else {
        out << YAML::Binary(reinterpret_cast<const unsigned char*>(node.scalar.data()), node.scalar.size());
      }
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

nlohmann::ordered_json json(const Node& node) {
  switch (node.kind) {
    case NodeKind::nothing:
      return nullptr;
    case NodeKind::scalar:
      return node.quoted ? nlohmann::ordered_json(node.scalar) : nlohmann::ordered_json::parse(node.scalar);
    case NodeKind::list: {
      nlohmann::ordered_json list = nlohmann::ordered_json::array();
      for (const Node& item : node.items) list.push_back(json(item));
      return list;
    }
    case NodeKind::map: {
      nlohmann::ordered_json map = nlohmann::ordered_json::object();
      for (const Entry& entry : node.entries) map[entry.key] = json(entry.value);
      return map;
    }
  }
  throw Error("unknown kind of node");
}

}  // namespace

std::string yaml_text(const Node& root) {
  YAML::Emitter out;
  emit(out, root);
  return std::string(out.c_str(), out.size()) + "\n";
}

std::string json_text(const Node& root) { return json(root).dump(2) + "\n"; }

}  // namespace lf
