// Thousands of mutated safetensors files: each is refused with a message that names the file, or everything
// it claims about itself is true.
#include <cstring>
#include <fstream>
#include <vector>

#include "core/weights/safetensors.h"
#include "core/weights/safetensors_header.h"
#include "tests/fuzz.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

const std::vector<std::string> kWords = {"0",
                                         "1",
                                         "-1",
                                         "9223372036854775807",
                                         "18446744073709551616",
                                         "1e3",
                                         "null",
                                         "true",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         ":",
                                         "\"",
                                         "F32",
                                         "F64",
                                         "U8",
                                         "BOOL",
                                         "F4",
                                         "shape",
                                         "dtype",
                                         "data_offsets",
                                         "__metadata__",
                                         " "};

// Adds what the content has grown to the length of the header, so that more than the length is tried.
void fit_length(std::string& content, size_t original_size) {
  uint64_t length = 0;
  if (content.size() < sizeof length) return;
  std::memcpy(&length, content.data(), sizeof length);
  length += content.size() - original_size;
  std::memcpy(content.data(), &length, sizeof length);
}

// True if the content is accepted; then the tensors must cover the data exactly and hold what their shapes
// say.
bool is_accepted(const std::string& content) {
  SafetensorsHeader header;
  try {
    header =
        parse_safetensors_header({reinterpret_cast<const uint8_t*>(content.data()), content.size()}, "F");
  } catch (const Error& error) {
    expect_clean_message(error.what(), "F: ");
    return false;
  }
  uint64_t length = 0;
  std::memcpy(&length, content.data(), sizeof length);
  int64_t covered = static_cast<int64_t>(length) + 8;
  for (const TensorInfo& tensor : header.tensors) {
    EXPECT_EQ(tensor.begin, covered);
    covered = tensor.end;
    if (!tensor.dtype) continue;
    EXPECT_EQ(tensor.end - tensor.begin, tensor.shape.elements() * size_of(*tensor.dtype));
  }
  EXPECT_EQ(covered, static_cast<int64_t>(content.size()));
  return true;
}

// An accepted file can be read to the end.
void read_all(const std::string& path) {
  const SafetensorsFile file(path);
  for (const TensorInfo& tensor : file.tensors()) {
    if (!tensor.dtype) continue;
    EXPECT_EQ(file.read(tensor.name).bytes(), tensor.end - tensor.begin);
  }
}

TEST(SafetensorsFuzz, MutatedFilesAreRefusedOrTrue) {
  const TemporaryFolder folder;
  write_safetensors(folder / "original",
                    {{"a", Tensor::full({2, 3}, DType::f32, 1.5)},
                     {"b", Tensor::full({}, DType::f64, 2.5)},
                     {"empty", Tensor::zeros({0, 4}, DType::i64)},
                     {"c", Tensor::zeros({11}, DType::u8)}},
                    {{"format", "pt"}});
  const std::string original = read_file(folder / "original");
  constexpr size_t kData = 6 * 4 + 8 + 11;
  ByteMutator mutator(original, kWords, 0, original.size() - kData, 20'260);
  int64_t accepted = 0;
  FuzzRounds rounds(20'000);
  while (rounds.more()) {
    std::string content = mutator.next();
    if (rounds.done() % 2) fit_length(content, original.size());
    if (!is_accepted(content)) continue;
    ++accepted;
    const std::string path = folder / "accepted";
    std::ofstream(path, std::ios::binary) << content;
    read_all(path);
    std::filesystem::remove(path);
  }
  // Both answers must have been reached, or the mutations test nothing.
  EXPECT_GT(accepted, rounds.done() / 50);
  EXPECT_LT(accepted, rounds.done() / 2);
  RecordProperty("files", std::to_string(rounds.done()));
  RecordProperty("accepted", std::to_string(accepted));
}

}  // namespace
}  // namespace lf
