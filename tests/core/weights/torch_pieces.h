// Assembles pickles opcode by opcode and PyTorch checkpoints around them, good ones and hostile ones.
#pragma once

#include <zip.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"

namespace lf::pieces {

// The lowest `width` bytes of a number, little-endian.
inline std::string number(uint64_t value, size_t width) {
  std::string bytes;
  for (size_t i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

inline std::string str(const std::string& value) { return "X" + number(value.size(), 4) + value; }
inline std::string integer(int64_t value) { return "\x8a\x08" + number(static_cast<uint64_t>(value), 8); }
inline std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}

inline std::string joined(const std::vector<std::string>& parts) {
  std::string all;
  for (const std::string& part : parts) all += part;
  return all;
}

inline std::string tuple(const std::vector<std::string>& parts) { return "(" + joined(parts) + "t"; }
inline std::string integers(const std::vector<int64_t>& values) {
  std::string all;
  for (const int64_t value : values) all += integer(value);
  return "(" + all + "t";
}
// Keys and values in turn.
inline std::string dict(const std::vector<std::string>& parts) { return "}(" + joined(parts) + "u"; }
inline std::string call(const std::string& function, const std::vector<std::string>& arguments) {
  return function + tuple(arguments) + "R";
}
inline std::string pickle(const std::string& body) { return "\x80\x02" + body + "."; }

inline std::string storage(const std::string& key, int64_t elements,
                           const std::string& type = "FloatStorage") {
  return tuple({str("storage"), global("torch", type), str(key), str("cpu"), integer(elements)}) + "Q";
}

inline const std::string kNoHooks = global("collections", "OrderedDict") + ")R";

inline std::string tensor(const std::string& of_storage, int64_t offset, const std::vector<int64_t>& shape,
                          const std::vector<int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              {of_storage, integer(offset), integers(shape), integers(strides), "\x89", kNoHooks});
}

using Members = std::vector<std::pair<std::string, std::string>>;

// Writes a zip archive; `method` is the library's name of a compression.
inline void write_zip(const std::string& path, const Members& members, int32_t method = ZIP_CM_STORE) {
  std::filesystem::remove(path);
  int code = 0;
  zip_t* const archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  CHECK(archive, "cannot write ", path);
  for (const auto& [name, content] : members) {
    zip_source_t* const source = zip_source_buffer(archive, content.data(), content.size(), 0);
    const int64_t index = zip_file_add(archive, name.c_str(), source, 0);
    CHECK(index >= 0, "cannot add ", name);
    CHECK(zip_set_file_compression(archive, static_cast<uint64_t>(index), method, 0) == 0,
          "cannot set method");
  }
  CHECK(zip_close(archive) == 0, "cannot write ", path);
}

struct LegacyStorage {
  std::string key;
  int64_t elements = 0;
  std::string bytes;
};

// A file in the format before PyTorch 1.6.
inline std::string legacy(const std::string& objects, const std::vector<LegacyStorage>& storages,
                          const std::string& system = dict({str("little_endian"), "\x88"})) {
  const std::string magic("\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 12);
  std::string keys, data;
  for (const LegacyStorage& stored : storages) {
    keys += str(stored.key);
    data += number(static_cast<uint64_t>(stored.elements), 8) + stored.bytes;
  }
  return pickle(magic) + pickle(integer(1001)) + pickle(system) + objects + pickle("](" + keys + "e") + data;
}

// Four floats: 1, 2, 3, 4.
inline std::string four_floats() { return {"\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 16}; }

// Removes what is there first: many file systems flush a file that is emptied and written again.
inline void write(const std::string& path, const std::string& content) {
  std::filesystem::remove(path);
  std::ofstream(path, std::ios::binary) << content;
}

}  // namespace lf::pieces
