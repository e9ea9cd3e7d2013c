// Strict parsing and writing of safetensors headers; see safetensors_header.h.
#include "core/weights/safetensors_header.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <ostream>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/file_kinds.h"
#include "core/json.h"

namespace lf {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors data are little-endian");

constexpr int64_t kLengthBytes = 8;
constexpr uint64_t kLargestHeader = 100'000'000;  // the limit of the reference implementation
constexpr const char* kMetadataKey = "__metadata__";

// The format's element types, with those this program has.
struct StoredType {
  const char* name;
  int bits;
  std::optional<DType> dtype;
};
constexpr StoredType kStoredTypes[] = {
    {"F32", 32, DType::f32},          {"BF16", 16, DType::bf16},    {"F64", 64, DType::f64},
    {"I32", 32, DType::i32},          {"I64", 64, DType::i64},      {"U8", 8, DType::u8},
    {"U16", 16, DType::u16},          {"BOOL", 8, std::nullopt},    {"I8", 8, std::nullopt},
    {"I16", 16, std::nullopt},        {"F16", 16, std::nullopt},    {"U32", 32, std::nullopt},
    {"U64", 64, std::nullopt},        {"C64", 64, std::nullopt},    {"F8_E4M3", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt},     {"F8_E8M0", 8, std::nullopt}, {"F8_E4M3FNUZ", 8, std::nullopt},
    {"F6_E2M3", 6, std::nullopt},     {"F6_E3M2", 6, std::nullopt}, {"F4", 4, std::nullopt},
    {"F8_E5M2FNUZ", 8, std::nullopt},
};

SafetensorsMetadata parse_metadata(const json& value, const std::string& path) {
  if (value.is_null()) return {};  // as some writers say that there is none
  CHECK(value.is_object(), path, ": ", kMetadataKey, " must be an object of texts");
  SafetensorsMetadata metadata;
  for (const auto& [key, entry] : value.items()) {
    CHECK(entry.is_string(), path, ": ", kMetadataKey, ": ", escaped(key), " must be a text");
    metadata[key] = entry.get<std::string>();
  }
  return metadata;
}

// A tensor's entry as messages name it; no text is made before there is a message.
struct Entry {
  const std::string& path;
  const std::string& tensor;
};
std::ostream& operator<<(std::ostream& out, const Entry& entry) {
  return out << entry.path << ": tensor " << escaped(entry.tensor);
}

// A list of whole numbers >= 0 that fit 63 bits.
std::vector<int64_t> parse_numbers(const json& value, const Entry& who, const char* key) {
  CHECK(value.is_array(), who, ": ", key, " must be a list of whole numbers");
  std::vector<int64_t> numbers;
  for (const json& entry : value) {
    CHECK(entry.is_number_unsigned() && entry.get<uint64_t>() <= std::numeric_limits<int64_t>::max(), who,
          ": ", key, " must hold whole numbers from 0 to 2^63 - 1");
    numbers.push_back(entry.get<int64_t>());
  }
  return numbers;
}

// Bytes of the shape's elements.
int64_t stored_bytes(const Shape& shape, const StoredType& type, const Entry& who) {
  int64_t bits = 1;
  bool overflows = false;
  for (const int64_t dim : shape.dims()) overflows |= __builtin_mul_overflow(bits, dim, &bits);
  overflows |= __builtin_mul_overflow(bits, type.bits, &bits);
  CHECK(!overflows, who, ": a tensor of shape ", shape, " and type ", type.name, " is too large to exist");
  CHECK(bits % 8 == 0, who, ": ", shape, " elements of type ", type.name, " do not fill whole bytes");
  return bits / 8;
}

TensorInfo parse_tensor(const Entry& who, const json& entry, int64_t data_begin, int64_t data_bytes) {
  CHECK(entry.is_object(), who, ": must be an object with dtype, shape and data_offsets");
  for (const char* key : {"dtype", "shape", "data_offsets"}) CHECK(entry.contains(key), who, ": no ", key);
  CHECK(entry["dtype"].is_string(), who, ": dtype must be a text");
  const std::string dtype = entry["dtype"].get<std::string>();
  const auto type = std::find_if(std::begin(kStoredTypes), std::end(kStoredTypes),
                                 [&](const StoredType& known) { return dtype == known.name; });
  CHECK(type != std::end(kStoredTypes), who, ": unknown dtype ", escaped(dtype));
  const Shape shape(parse_numbers(entry["shape"], who, "shape"));
  const std::vector<int64_t> offsets = parse_numbers(entry["data_offsets"], who, "data_offsets");
  CHECK(offsets.size() == 2, who, ": data_offsets must be two numbers, got ", offsets.size());
  CHECK(offsets[0] <= offsets[1], who, ": its data end at ", offsets[1], ", before they begin at ",
        offsets[0]);
  CHECK(offsets[1] <= data_bytes, who, ": its data end at byte ", offsets[1], ", but the file holds only ",
        data_bytes, " bytes of data (truncated?)");
  const int64_t needed = stored_bytes(shape, *type, who);
  CHECK(offsets[1] - offsets[0] == needed, who, ": shape ", shape, " of ", dtype, " needs ", needed,
        " bytes, data_offsets give ", offsets[1] - offsets[0]);
  return {who.tensor, dtype, type->dtype, shape, data_begin + offsets[0], data_begin + offsets[1]};
}

// The data must be covered exactly: neither shared, nor unclaimed, bytes can hide in a file.
void check_coverage(const std::vector<TensorInfo>& tensors, int64_t data_begin, int64_t file_bytes,
                    const std::string& path) {
  int64_t covered = data_begin;
  const TensorInfo* previous = nullptr;
  for (const TensorInfo& tensor : tensors) {
    CHECK(tensor.begin >= covered, path, ": tensors ", escaped(previous ? previous->name : ""), " and ",
          escaped(tensor.name), " overlap");
    CHECK(tensor.begin == covered, path, ": ", tensor.begin - covered, " bytes before tensor ",
          escaped(tensor.name), " belong to no tensor");
    covered = tensor.end;
    previous = &tensor;
  }
  CHECK(covered == file_bytes, path, ": ", file_bytes - covered, " bytes after the last tensor",
        previous ? " " + escaped(previous->name) : "", " belong to no tensor");
}

const char* stored_name(DType dtype) {
  return std::find_if(std::begin(kStoredTypes), std::end(kStoredTypes),
                      [&](const StoredType& type) { return type.dtype == dtype; })
      ->name;
}

// A text as JSON; who is for the message.
std::string to_json(const std::string& value, const std::string& who) {
  try {
    return json(value).dump();
  } catch (const json::exception&) {
    throw Error(text(who, ": ", escaped(value), " is not valid UTF-8"));
  }
}

std::string to_json(const SafetensorsMetadata& metadata) {
  std::string result;
  for (const auto& [key, value] : metadata) {
    result += result.empty() ? "{" : ",";
    result += to_json(key, "safetensors metadata") + ":" + to_json(value, "safetensors metadata");
  }
  return result + "}";
}

}  // namespace

SafetensorsHeader parse_safetensors_header(std::span<const uint8_t> file, const std::string& path) {
  CHECK(file.size() >= kLengthBytes, path, ": not a safetensors file: ", file.size(),
        " bytes, needed at least ", kLengthBytes);
  uint64_t length = 0;
  std::memcpy(&length, file.data(), kLengthBytes);
  // What packs data may begin as a length does.
  const std::string packed = stand_in(as_text(file));
  constexpr std::string_view kBegins = " \t\r\n{";
  const bool has_header =
      file.size() > kLengthBytes && kBegins.find(static_cast<char>(file[kLengthBytes])) != kBegins.npos;
  CHECK(has_header || packed.empty(), path, ": not a safetensors file: ", packed);
  CHECK(length <= kLargestHeader, path, ": not a safetensors file: its header would be ", length,
        " bytes long, allowed are ", kLargestHeader);
  CHECK(length <= file.size() - kLengthBytes, path, ": the header is ", length, " bytes long, but only ",
        file.size() - kLengthBytes, " follow (truncated?)");
  const auto data_begin = static_cast<int64_t>(length) + kLengthBytes;
  const auto file_bytes = static_cast<int64_t>(file.size());
  std::string header(reinterpret_cast<const char*>(file.data()) + kLengthBytes, length);
  const size_t begin = header.find_first_not_of(" \t\r\n");  // what JSON takes for blanks
  CHECK(begin != header.npos, path, ": not a safetensors file: its header is empty");
  CHECK(header[begin] == '{', path, ": not a safetensors file: its header does not begin with {");
  SafetensorsHeader result;
  const json document = parse_json(std::move(header), path + ": header");
  for (const auto& [name, entry] : document.items()) {
    if (name == kMetadataKey) {
      result.metadata = parse_metadata(entry, path);
    } else {
      result.tensors.push_back(parse_tensor({path, name}, entry, data_begin, file_bytes - data_begin));
    }
  }
  // Stable: tensors without elements share their offsets and stay in the order of their names.
  std::stable_sort(result.tensors.begin(), result.tensors.end(),
                   [](const TensorInfo& a, const TensorInfo& b) {
                     return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
                   });
  check_coverage(result.tensors, data_begin, file_bytes, path);
  return result;
}

std::string safetensors_header(const std::vector<TensorSpec>& tensors, const SafetensorsMetadata& metadata) {
  std::string header(kLengthBytes, '\0');
  header += '{';
  if (!metadata.empty()) header += text('"', kMetadataKey, "\":", to_json(metadata));
  std::set<std::string> names;
  int64_t offset = 0;
  for (const TensorSpec& tensor : tensors) {
    const std::string& name = tensor.name;
    CHECK(name != kMetadataKey, "safetensors: a tensor cannot be called ", kMetadataKey);
    CHECK(names.insert(name).second, "safetensors: two tensors are called ", escaped(name));
    if (header.back() != '{') header += ',';
    header += text(to_json(name, "safetensors: the name of a tensor"), ":{\"dtype\":\"",
                   stored_name(tensor.dtype), "\",\"shape\":", json(tensor.shape.dims()).dump(),
                   ",\"data_offsets\":[", offset, ',', offset + tensor.bytes(), "]}");
    offset += tensor.bytes();
  }
  header += '}';
  header.resize((header.size() + 7) / 8 * 8, ' ');
  const uint64_t length = header.size() - kLengthBytes;
  CHECK(length <= kLargestHeader, "safetensors: a header of ", length, " bytes, allowed are ",
        kLargestHeader);
  std::memcpy(header.data(), &length, kLengthBytes);
  return header;
}

}  // namespace lf
