// Thousands of mutated safetensors files: each is refused with a message that names the file, or everything
// it claims about itself is true.
#include <algorithm>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "core/weights/safetensors.h"
#include "core/weights/safetensors_header.h"
#include "tests/fuzz.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

class Mutator {
 public:
  Mutator(std::string original, uint64_t seed) : original_(std::move(original)), random_(seed) {}

  std::string next() {
    std::string content = original_;
    do {
      mutate(content);
    } while (!content.empty() && below(3) == 0);
    return content;
  }

 private:
  uint64_t below(uint64_t limit) { return random_() % limit; }

  // Mostly in the header, where the meaning is.
  size_t position(const std::string& content) {
    return below(std::min<uint64_t>(content.size(), below(4) ? original_.size() - 120 : content.size()));
  }

  void mutate(std::string& content) {
    static const std::vector<std::string> words = {"0",
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
    const size_t size_before = content.size();
    const size_t at = position(content);
    switch (below(7)) {
      case 0:
        content[at] ^= static_cast<char>(1 << below(8));
        break;
      case 1:
        content[at] = static_cast<char>(below(256));
        break;
      case 2:
        content.erase(at, 1 + below(8));
        break;
      case 3:
        content.insert(at, words[below(words.size())]);
        break;
      case 4:
        content.resize(at);
        break;
      case 5:
        content.replace(at, 1, std::string(1, static_cast<char>('0' + below(10))));
        break;
      case 6: {
        const std::string piece = content.substr(position(content), below(40));
        content.insert(at, piece);
        break;
      }
    }
    // Half of the time the length is made to fit again, so that more than the length is tried.
    if (content.size() < 8 || size_before < 8 || below(2)) return;
    uint64_t length = 0;
    std::memcpy(&length, content.data(), sizeof length);
    length += content.size() - size_before;
    std::memcpy(content.data(), &length, sizeof length);
  }

  std::string original_;
  std::mt19937_64 random_;
};

// True if the content is accepted; then the tensors must cover the data exactly and hold what their shapes
// say.
bool is_accepted(const std::string& content) {
  SafetensorsHeader header;
  try {
    header =
        parse_safetensors_header({reinterpret_cast<const uint8_t*>(content.data()), content.size()}, "F");
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_TRUE(message.starts_with("F: ")) << message;
    EXPECT_LT(message.size(), 600);
    EXPECT_NO_THROW(nlohmann::json(message).dump()) << "a message must be valid UTF-8";
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
  Mutator mutator(read_file(folder / "original"), 20'260);
  int64_t accepted = 0;
  FuzzRounds rounds(20'000);
  while (rounds.more()) {
    const std::string content = mutator.next();
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
