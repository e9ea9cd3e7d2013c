// Python pickles read as descriptions: opcodes that write plain data give plain data, a call stays a note of
// what would be called with what. Nothing is ever imported or executed, and a pickle that needs an opcode or
// a global beyond those allowed is an Error.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace lf {

enum class PickleKind : uint8_t {
  none,
  boolean,
  integer,
  long_integer,  // more than 64 bits
  real,
  text,
  bytes,
  tuple,
  list,
  dict,
  global,
  call,
  persistent
};

const char* name(PickleKind kind);

// "NEWOBJ" for a known opcode that is refused, else "number 200".
std::string pickle_opcode_name(uint8_t code);

// One value: a boolean or integer itself, else its place in the Pickle's list for its kind.
struct PickleValue {
  PickleKind kind = PickleKind::none;
  int64_t number = 0;
};

struct PickleGlobal {
  std::string_view module, name;
  bool operator==(const PickleGlobal&) const = default;
};

// What REDUCE would have called.
struct PickleCall {
  PickleValue function, arguments;  // a global, a tuple
  size_t byte = 0;
};

// A persistent id: the name of something that lies outside the pickle.
struct PicklePersistent {
  PickleValue id;
  size_t byte = 0;
};

// Values may be shared and may contain themselves: who walks them must bound the walk. The texts lie in the
// bytes that were read. An OrderedDict is a dict; what BUILD would add to a dict as attributes is left out.
struct Pickle {
  PickleValue root;
  size_t bytes = 0;                             // its length, STOP included
  std::vector<std::string_view> texts;          // text, bytes, long_integer (little-endian, signed)
  std::vector<std::vector<PickleValue>> items;  // tuple, list, dict (key, value, key, value, ...)
  std::vector<PickleGlobal> globals;
  std::vector<PickleCall> calls;
  std::vector<PicklePersistent> persistents;

  std::string_view text_of(PickleValue value) const { return texts[static_cast<size_t>(value.number)]; }
  const std::vector<PickleValue>& items_of(PickleValue value) const {
    return items[static_cast<size_t>(value.number)];
  }
  // True for a global of that name.
  bool is_global(PickleValue value, std::string_view module, std::string_view global_name) const;
};

// Reads the pickle at the start of the bytes, protocols 2 to 5; more bytes may follow it. Errors begin with
// `who` and give the byte, counted from `origin` bytes before the first.
Pickle read_pickle(std::span<const uint8_t> bytes, std::span<const PickleGlobal> allowed,
                   const std::string& who, size_t origin = 0);

// What an error about a refused pickle advises.
inline constexpr const char* kPickleAdvice =
    "only tensors and the dictionaries around them are read, and nothing is ever executed; if you trust the "
    "file, load it in Python and save its tensors with safetensors.torch.save_file";

}  // namespace lf
