// Thousands of mutated PyTorch checkpoints and indexes: each is refused with a message that names the file,
// or every tensor lies within its storage and can be read.
#include <algorithm>

#include "core/weights/pickle.h"
#include "core/weights/torch_file.h"
#include "core/weights/torch_legacy.h"
#include "core/weights/torch_types.h"
#include "core/weights/weights_index.h"
#include "tests/core/weights/torch_pieces.h"
#include "tests/fuzz.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

constexpr int64_t kSmall = 1 << 20;  // bytes of what is read in full

const std::string kZip = source_path("tests/golden/torch_zip.pt");
const std::string kLegacy = source_path("tests/golden/torch_legacy.pt");

const std::vector<std::string> kPickleWords = [] {
  using namespace pieces;
  return std::vector<std::string>{"(",
                                  ")",
                                  "t",
                                  "u",
                                  "s",
                                  "e",
                                  "a",
                                  "b",
                                  "]",
                                  "}",
                                  "N",
                                  "R",
                                  "Q",
                                  ".",
                                  "c",
                                  "\x85",
                                  "\x86",
                                  "\x87",
                                  "\x88",
                                  "\x89",
                                  "\x93",
                                  "\x94",
                                  "h\x01",
                                  "q\x01",
                                  "K\xff",
                                  integer(-1),
                                  integer(INT64_MAX),
                                  integer(1LL << 32),
                                  "J\xff\xff\xff\xff",
                                  "M\x10\x01",
                                  str("x"),
                                  str("storage"),
                                  str("model"),
                                  str("0"),
                                  "\x8a\x0a",
                                  global("os", "system"),
                                  global("torch", "HalfStorage"),
                                  global("torch", "DoubleStorage"),
                                  global("torch", "ByteStorage"),
                                  global("torch.storage", "UntypedStorage"),
                                  global("torch", "uint16"),
                                  global("torch", "Size"),
                                  global("torch._utils", "_rebuild_parameter"),
                                  global("torch._utils", "_rebuild_tensor"),
                                  kNoHooks};
}();

std::vector<uint8_t> bytes_of(const std::string& content) { return {content.begin(), content.end()}; }

std::string text_of(const std::vector<uint8_t>& bytes) { return {bytes.begin(), bytes.end()}; }

// The promise of torch_contents, computed another way.
void expect_within_storages(const TorchContents& contents) {
  for (const TorchTensor& tensor : contents.tensors) {
    __int128 last = tensor.offset, elements = 1;
    for (size_t axis = 0; axis < tensor.strides.size(); ++axis) {
      EXPECT_GE(tensor.strides[axis], 0);
      last += static_cast<__int128>(tensor.shape.dims()[axis] - 1) * tensor.strides[axis];
      elements *= tensor.shape.dims()[axis];
    }
    const __int128 storage = contents.storages.at(tensor.storage).bytes;
    EXPECT_TRUE(elements == 0 || (last + 1) * tensor.element_bytes <= storage) << tensor.name;
    EXPECT_TRUE(elements * tensor.element_bytes <= std::max<__int128>(storage, 64 << 20)) << tensor.name;
  }
}

void read_all(const TorchFile& file) {
  for (const TorchTensor& tensor : file.tensors()) {
    if (!tensor.dtype || tensor.shape.elements() * size_of(*tensor.dtype) > kSmall) continue;
    EXPECT_EQ(file.read(tensor.name).shape(), tensor.shape);
  }
}

// Opens and reads the file; true if nothing was refused.
bool is_readable(const std::string& path) {
  try {
    const TorchFile file(path);
    read_all(file);
    file.verify();
    return true;
  } catch (const Error& error) {
    expect_clean_message(error.what(), path);
    return false;
  }
}

// Both answers must have been reached, or the mutations test nothing.
void expect_both(int64_t accepted, const FuzzRounds& rounds) {
  EXPECT_GT(accepted, rounds.done() / 100);
  EXPECT_LT(accepted, rounds.done() * 4 / 5);
  ::testing::Test::RecordProperty("files", std::to_string(rounds.done()));
  ::testing::Test::RecordProperty("accepted", std::to_string(accepted));
}

// A checkpoint of this pickle in which every storage has the size that the pickle claims.
bool write_matching_zip(const std::string& path, const std::string& pickle, const TorchContents& contents) {
  int64_t total = 0;
  pieces::Members members = {{"m/data.pkl", pickle}};
  for (const auto& [key, storage] : contents.storages) {
    if (storage.bytes > kSmall || (total += storage.bytes) > kSmall) return false;
    if (key.find('\0') != key.npos) return false;
    members.emplace_back("m/data/" + key, std::string(static_cast<size_t>(storage.bytes), '\x3c'));
  }
  pieces::write_zip(path, members);
  return true;
}

TEST(TorchFuzz, MutatedPicklesAreRefusedOrTrue) {
  const MappedFile original(kZip);
  const std::string pickle = text_of(TorchZip(original.bytes(), kZip).pickle());
  ByteMutator mutator(pickle, kPickleWords, 0, pickle.size(), 20'261);
  const TemporaryFolder folder;
  int64_t accepted = 0, read = 0;
  FuzzRounds rounds(20'000);
  while (rounds.more()) {
    const std::string content = mutator.next();
    const std::vector<uint8_t> bytes = bytes_of(content);
    TorchContents contents;
    try {
      const Pickle parsed = read_pickle(bytes, torch_globals(), "F: ");
      if (parsed.bytes != bytes.size()) continue;
      contents = torch_contents(parsed, "F: ");
    } catch (const Error& error) {
      expect_clean_message(error.what(), "F: ");
      continue;
    }
    ++accepted;
    expect_within_storages(contents);
    if (accepted % 8 == 0 && write_matching_zip(folder / "a.pt", content, contents))
      read += is_readable(folder / "a.pt");
  }
  expect_both(accepted, rounds);
  EXPECT_GT(read, accepted / 16);
}

TEST(TorchFuzz, MutatedLegacyFilesAreRefusedOrTrue) {
  const std::string original = read_file(kLegacy);
  ByteMutator mutator(original, kPickleWords, 0, original.size() - 900, 20'262);
  const TemporaryFolder folder;
  int64_t accepted = 0;
  FuzzRounds rounds(20'000);
  while (rounds.more()) {
    const std::string content = mutator.next();
    const std::vector<uint8_t> bytes =
        bytes_of(content);  // exactly as large: the sanitizers see one byte more
    try {
      expect_within_storages(parse_torch_legacy(bytes, "F").contents);
    } catch (const Error& error) {
      expect_clean_message(error.what(), "F: ");
      continue;
    }
    if (++accepted % 8 != 0) continue;
    pieces::write(folder / "a.bin", content);
    EXPECT_TRUE(is_readable(folder / "a.bin"));
  }
  expect_both(accepted, rounds);
}

TEST(TorchFuzz, MutatedArchivesAreRefusedOrTrue) {
  const std::string original = read_file(kZip);
  const std::vector<std::string> words = {std::string("PK\3\4"),
                                          std::string("PK\1\2"),
                                          std::string("PK\5\6"),
                                          std::string("PK\6\6"),
                                          std::string("PK\7\x8"),
                                          std::string(2, '\0'),
                                          std::string(4, '\xff'),
                                          std::string(2, '\xff'),
                                          std::string(8, '\xff'),
                                          "archive/data/0",
                                          "data.pkl",
                                          "byteorder",
                                          "little",
                                          "\x08",
                                          "\x01"};
  // The central directory is at the end.
  ByteMutator mutator(original, words, original.find("PK\1\2"), original.size(), 20'263);
  const TemporaryFolder folder;
  int64_t accepted = 0;
  FuzzRounds rounds(3'000);
  while (rounds.more()) {
    pieces::write(folder / "a.pt", mutator.next());
    accepted += is_readable(folder / "a.pt");
  }
  expect_both(accepted, rounds);
}

TEST(TorchFuzz, MutatedIndexesAreRefusedOrTrue) {
  const std::string original =
      read_file(source_path("tests/golden/torch_sharded/pytorch_model.bin.index.json"));
  const std::vector<std::string> words = {"0",        "-1",         "1e3", "1e999",     "null", "true",
                                          "{",        "}",          "[",   "]",         ",",    ":",
                                          "\"",       "..",         "/",   "\\u0000",   "\\",   "weight_map",
                                          "metadata", "total_size", " ",   "\"f32\": ", "\xff", "\x1b"};
  ByteMutator mutator(original, words, 0, original.size(), 20'264);
  int64_t accepted = 0;
  FuzzRounds rounds(20'000);
  while (rounds.more()) {
    try {
      const WeightsIndex index = parse_weights_index(mutator.next(), "F");
      ++accepted;
      EXPECT_FALSE(index.files.empty());
      for (const std::string& file : index.files) EXPECT_EQ(file.find('/'), file.npos) << file;
      for (const auto& [tensor, file] : index.file_of)
        EXPECT_TRUE(std::find(index.files.begin(), index.files.end(), file) != index.files.end());
      EXPECT_GE(index.total_size.value_or(0), 0);
    } catch (const Error& error) {
      expect_clean_message(error.what(), "F:");
    }
  }
  expect_both(accepted, rounds);
}

}  // namespace
}  // namespace lf
