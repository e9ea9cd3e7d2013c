// longform inspect on a model's weights: PyTorch checkpoints, shards, folders, and what it says of bad ones.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/core/weights/torch_pieces.h"
#include "tests/places.h"
#include "tests/program.h"
#include "tests/testing.h"

namespace lf {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string golden(const std::string& name) { return source_path("tests/golden/" + name); }

class InspectWeights : public ::testing::Test {
 protected:
  json inspect(const std::string& path) {
    const ProgramResult result = program_.run({"inspect", path, "--json"});
    EXPECT_EQ(result.code, 0) << result.err;
    const json value = json::parse(result.out, nullptr, false);
    EXPECT_FALSE(value.is_discarded()) << result.out;
    EXPECT_EQ(value.at("problems"), json::array());
    EXPECT_FALSE(program_.run({"inspect", path}).out.empty());
    return value;
  }

  void refused(const std::string& path, const std::string& part) {
    const ProgramResult result = program_.run({"inspect", path, "--json"});
    EXPECT_EQ(result.code, 1);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  }

  Program program_;
};

TEST_F(InspectWeights, PyTorchFilesOfBothFormats) {
  for (const char* format : {"zip", "legacy"}) {
    const json file = inspect(golden(text("torch_", format, ".pt")));
    EXPECT_EQ(file.at("kind"), "pytorch");
    EXPECT_EQ(file.at("format"), format);
    EXPECT_EQ(file.at("wrapper"), "");
    EXPECT_EQ(file.at("tensors").size(), 25u);
    EXPECT_EQ(file.at("tensors")[0], (json{{"name", "f32"}, {"dtype", "F32"}, {"shape", {2, 3}}}));
  }
  const json training = inspect(golden("torch_training.pt"));
  EXPECT_EQ(training.at("wrapper"), "state_dict");
  EXPECT_EQ(training.at("left_out"), (json{"epoch", "loss", "shape", "optimizer"}));
}

TEST_F(InspectWeights, FoldersAndIndexes) {
  for (const char* end : {"", "/pytorch_model.bin.index.json"}) {
    const json sharded = inspect(golden("torch_sharded") + end);
    EXPECT_EQ(sharded.at("kind"), "pytorch");
    EXPECT_EQ(sharded.at("files").size(), 2u);
    EXPECT_EQ(sharded.at("tensors")[0].at("file"), "pytorch_model-00001-of-00002.bin");
  }
  fs::create_directory(program_ / "model");
  fs::copy_file(golden("safetensors_types.safetensors"), program_ / "model/model.safetensors");
  const json folder = inspect(program_ / "model");
  EXPECT_EQ(folder.at("kind"), "safetensors");
  EXPECT_EQ(folder.at("path"), program_ / "model/model.safetensors");
  EXPECT_EQ(folder.at("tensors").size(), 15u);
}

TEST_F(InspectWeights, BadFilesAreRefused) {
  fs::create_directory(program_ / "empty");
  refused(program_ / "empty", "is neither a run");
  program_.write("a.bin", "not a checkpoint");
  refused(program_ / "a.bin", "a.bin: not a PyTorch checkpoint");
  std::string content = read_file(golden("torch_zip.pt"));
  const std::string halves("\x01\x00\xff\x03", 4);  // how the member of "f16" begins
  content[content.find(halves)] ^= 1;
  program_.write("damaged.pt", content);
  refused(program_ / "damaged.pt", "is damaged: CRC error");
  using namespace pieces;
  program_.write("evil.bin",
                 legacy(pickle(call(global("os", "system"), {str("touch " + (program_ / "proof"))})), {}));
  refused(program_ / "evil.bin", "the global \"os.system\" is not allowed");
  EXPECT_FALSE(fs::exists(program_ / "proof"));
}

TEST_F(InspectWeights, RealCheckpoints) {
  REQUIRE_SHARED(data, "data");
  EXPECT_EQ(inspect(data + "/albert-rxnmapper/pytorch_model.bin").at("tensors").size(), 32u);
  EXPECT_EQ(inspect(data + "/rnabert/bert_mul_2.pth").at("tensors").size(), 117u);
  EXPECT_EQ(inspect(data + "/mini-roberta").at("tensors").size(), 74u);
}

}  // namespace
}  // namespace lf
