// Names of kinds and opcodes; see pickle.h. The machine is in pickle_machine.cpp.
#include "core/weights/pickle.h"

#include "core/check.h"

namespace lf {
namespace {

struct OpcodeName {
  uint8_t code;
  const char* name;
};
// Those that are refused, so that a message can name them.
constexpr OpcodeName kRefused[] = {
    {'i', "INST"},
    {'o', "OBJ"},
    {0x81, "NEWOBJ"},
    {0x92, "NEWOBJ_EX"},
    {0x82, "EXT1"},
    {0x83, "EXT2"},
    {0x84, "EXT4"},
    {'P', "PERSID"},
    {'0', "POP"},
    {'1', "POP_MARK"},
    {'2', "DUP"},
    {'F', "FLOAT"},
    {'I', "INT"},
    {'L', "LONG"},
    {'S', "STRING"},
    {'T', "BINSTRING"},
    {'U', "SHORT_BINSTRING"},
    {'V', "UNICODE"},
    {'d', "DICT"},
    {'l', "LIST"},
    {'g', "GET"},
    {'p', "PUT"},
    {0x8b, "LONG4"},
    {0x8f, "EMPTY_SET"},
    {0x90, "ADDITEMS"},
    {0x91, "FROZENSET"},
    {0x96, "BYTEARRAY8"},
    {0x97, "NEXT_BUFFER"},
    {0x98, "READONLY_BUFFER"},
};

}  // namespace

std::string pickle_opcode_name(uint8_t code) {
  for (const OpcodeName& known : kRefused) {
    if (known.code == code) return known.name;
  }
  return text("number ", static_cast<int>(code));
}

const char* name(PickleKind kind) {
  switch (kind) {
    case PickleKind::none:
      return "None";
    case PickleKind::boolean:
      return "bool";
    case PickleKind::integer:
    case PickleKind::long_integer:
      return "int";
    case PickleKind::real:
      return "float";
    case PickleKind::text:
      return "str";
    case PickleKind::bytes:
      return "bytes";
    case PickleKind::tuple:
      return "tuple";
    case PickleKind::list:
      return "list";
    case PickleKind::dict:
      return "dict";
    case PickleKind::global:
      return "global";
    case PickleKind::call:
      return "call";
    case PickleKind::persistent:
      return "persistent id";
  }
  return "unknown";
}

bool Pickle::is_global(PickleValue value, std::string_view module, std::string_view global_name) const {
  return value.kind == PickleKind::global &&
         globals[static_cast<size_t>(value.number)] == PickleGlobal{module, global_name};
}

}  // namespace lf
