// Weights behind one interface: single files, shards with an index, folders; and every way in which an index
// and its shards can disagree.
#include "core/weights/weights_file.h"
#include "tests/places.h"

#include <nlohmann/json.hpp>

#include "tests/core/weights/torch_pieces.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

using nlohmann::json;
using Names = std::vector<std::string>;
namespace fs = std::filesystem;

std::string golden(const std::string& name) { return source_path("tests/golden/" + name); }

Tensor ramp(float first) { return Tensor::from({3}, std::vector<float>{first, first + 1, first + 2}); }

// The warnings of a file that opens, one after the other.
std::string warnings_of(const std::string& path) {
  const WeightsFile weights = WeightsFile::open(path);
  std::string all;
  for (const std::string& warning : weights.warnings()) all += warning + "\n";
  return all;
}

// Two safetensors shards, a and b in the first and c in the second, and their index.
class Sharded {
 public:
  Sharded() {
    write_safetensors(folder / "one.safetensors", {{"a", ramp(1)}, {"b", ramp(10)}});
    write_safetensors(folder / "two.safetensors", {{"c", ramp(100)}});
    index["metadata"]["total_size"] = 36;
    index["weight_map"] = {{"a", "one.safetensors"}, {"b", "one.safetensors"}, {"c", "two.safetensors"}};
  }

  std::string path() const { return folder / "model.safetensors.index.json"; }
  // What opening the folder with the index as it stands says; "" if it opens.
  std::string answer() const { return answer(index.dump()); }
  std::string answer(const std::string& content) const {
    pieces::write(path(), content);
    const std::string error = error_of([&] { WeightsFile::open(folder.path()); });
    EXPECT_TRUE(error.empty() || error.find(folder.path()) != error.npos) << error;
    return error;
  }

  std::string warning() const {
    pieces::write(path(), index.dump());
    return warnings_of(folder.path());
  }

  TemporaryFolder folder;
  json index;
};

#define EXPECT_SAYS(received, part) EXPECT_PRED_FORMAT2(::testing::IsSubstring, part, received)

TEST(WeightsFile, ShardedSafetensorsReadAsOne) {
  const Sharded sharded;
  ASSERT_EQ(sharded.answer(), "");
  for (const std::string& path : {sharded.folder.path(), sharded.folder.path() + "/", sharded.path()}) {
    const WeightsFile weights = WeightsFile::open(path);
    EXPECT_TRUE(weights.is_sharded());
    EXPECT_FALSE(weights.is_torch());
    EXPECT_EQ(fs::path(weights.path()), fs::path(sharded.path()));
    EXPECT_EQ(weights.names(), (Names{"a", "b", "c"}));
    EXPECT_EQ(weights.files().size(), 2u);
    EXPECT_EQ(weights.info("c").file, 1u);
    EXPECT_EQ(weights.torch(), nullptr);
    EXPECT_SAME_BITS(weights.read("b"), ramp(10));
    const Tensor destination = Tensor::zeros({3}, DType::f32);
    weights.read_into("c", destination);
    EXPECT_SAME_BITS(destination, ramp(100));
    EXPECT_ERROR(weights.read("d"), "index.json: no tensor d among its 3");
    EXPECT_ERROR(weights.read_into("c", Tensor::zeros({4}, DType::f32)),
                 "two.safetensors: tensor c is (3) F32, needed (4) f32");
  }
}

TEST(WeightsFile, ShardedPyTorchReadsAsOne) {
  const SafetensorsFile expected(golden("torch_values.safetensors"));
  const WeightsFile weights = WeightsFile::open(golden("torch_sharded"));
  EXPECT_TRUE(weights.is_sharded() && weights.is_torch());
  EXPECT_EQ(weights.files().size(), 2u);
  EXPECT_EQ(weights.tensors().size(), expected.tensors().size());
  for (const std::string& name : expected.names())
    EXPECT_SAME_BITS(weights.read(name), expected.read(name)) << name;
  weights.verify();
}

TEST(WeightsFile, SingleFilesOfBothKindsRead) {
  const WeightsFile torch = WeightsFile::open(golden("torch_zip.pt"));
  ASSERT_NE(torch.torch(), nullptr);
  EXPECT_TRUE(torch.is_torch());
  EXPECT_EQ(torch.tensors().size(), 25u);
  const WeightsFile types = WeightsFile::open(golden("safetensors_types.safetensors"));
  EXPECT_FALSE(types.is_torch() || types.is_sharded());
  // The types that a safetensors file holds and this program has not are converted as a PyTorch file's are.
  EXPECT_EQ(types.info("f16").dtype, DType::f32);
  EXPECT_EQ(types.read("f16").to_doubles(), (std::vector<double>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(types.info("bool").dtype, DType::u8);
  const Tensor truth = types.read("bool");
  EXPECT_EQ(std::vector<uint8_t>(truth.data<uint8_t>(), truth.data<uint8_t>() + 6),
            (std::vector<uint8_t>{0, 0, 0, 1, 1, 1}));
  EXPECT_ERROR(types.read("i8"), "tensor i8 has the unsupported type I8");
  EXPECT_ERROR(types.read_into("f16", Tensor::zeros({2, 3}, DType::bf16)),
               "is (2, 3) F16, needed (2, 3) bf16");
}

TEST(WeightsFile, FoldersGiveTheUsualFileFirst) {
  const Sharded sharded;
  ASSERT_EQ(sharded.answer(), "");
  const auto chosen = [&] { return fs::path(*find_weights(sharded.folder.path())).filename().string(); };
  fs::copy_file(golden("torch_zip.pt"), sharded.folder / "pytorch_model.bin");
  fs::copy_file(sharded.path(), sharded.folder / "pytorch_model.bin.index.json");
  EXPECT_EQ(chosen(), "model.safetensors.index.json");
  fs::rename(sharded.folder / "one.safetensors", sharded.folder / "model.safetensors");
  EXPECT_EQ(chosen(), "model.safetensors");
  EXPECT_EQ(WeightsFile::open(sharded.folder.path()).names(), (Names{"a", "b"}));
  fs::remove(sharded.folder / "model.safetensors");
  fs::remove(sharded.path());
  EXPECT_EQ(WeightsFile::open(sharded.folder.path()).tensors().size(), 25u);
  fs::remove(sharded.folder / "pytorch_model.bin");
  EXPECT_EQ(chosen(), "pytorch_model.bin.index.json");
  fs::remove(sharded.folder / "pytorch_model.bin.index.json");
  EXPECT_FALSE(find_weights(sharded.folder.path()));
  EXPECT_ERROR(WeightsFile::open(sharded.folder.path()),
               sharded.folder.path() + ": no weights in this folder; needed model.safetensors, ");
}

TEST(WeightsFile, WhatIsNoWeightsIsNamed) {
  const TemporaryFolder folder;
  EXPECT_ERROR(WeightsFile::open(folder / "model.txt"),
               "model.txt: not known as weights; needed .safetensors");
  EXPECT_ERROR(WeightsFile::open(folder / "model.pt"), "cannot open " + (folder / "model.pt"));
  EXPECT_ERROR(WeightsFile::open(folder / "x.index.json"), "x.index.json");
}

TEST(WeightsFile, IndexAndShardsMustAgree) {
  Sharded sharded;
  const json good = sharded.index;
  const auto map = [&]() -> json& { return sharded.index["weight_map"]; };
  map()["d"] = "two.safetensors";
  EXPECT_SAYS(sharded.warning(), "tensor \"d\" is not in two.safetensors, as weight_map says");
  sharded.index = good, map().erase("b");
  EXPECT_SAYS(sharded.warning(),
              "its weight_map does not list \"b\", which the files hold: read all the same");
  EXPECT_TRUE(WeightsFile::open(sharded.folder.path()).contains("b"));
  sharded.index = good, map()["b"] = "two.safetensors";
  EXPECT_SAYS(sharded.answer(), "tensor \"b\" is in ");
  sharded.index = good, map()["c"] = "three.safetensors";
  EXPECT_SAYS(sharded.answer(), "cannot open " + (sharded.folder / "three.safetensors"));
  sharded.index = good, sharded.index["metadata"]["total_size"] = 35;
  EXPECT_SAYS(sharded.warning(), "metadata.total_size is 35 bytes, the tensors have 36");
  sharded.index["metadata"]["total_size"] = 36.0;
  EXPECT_EQ(sharded.answer(), "");
  sharded.index.erase("metadata");
  EXPECT_EQ(sharded.answer(), "");
  sharded.index = good;
  write_safetensors(sharded.folder / "two.safetensors", {{"c", ramp(100)}, {"a", ramp(1)}});
  EXPECT_SAYS(sharded.answer(), "tensor \"a\" is in both ");
}

TEST(WeightsFile, ShardsStayInTheirFolder) {
  Sharded sharded;
  const TemporaryFolder elsewhere;
  write_safetensors(elsewhere / "two.safetensors", {{"c", ramp(100)}});
  const std::string name = fs::path(elsewhere.path()).filename();
  for (const std::string& file :
       Names{elsewhere / "two.safetensors", "../" + name + "/two.safetensors", "sub/two.safetensors", "..",
             ".", "", "..\\two.safetensors", std::string("two.safetensors\0.bin", 20)}) {
    sharded.index["weight_map"]["c"] = file;
    EXPECT_SAYS(sharded.answer(), "tensor \"c\": ") << file;
    EXPECT_SAYS(sharded.answer(), "is not the name of a file beside the index") << file;
  }
  for (const std::string& file : Names{"./two.safetensors", "././two.safetensors", ".//two.safetensors"}) {
    sharded.index["weight_map"]["c"] = file;
    EXPECT_EQ(sharded.answer(), "") << file;
  }
  sharded.index["weight_map"]["c"] = "pytorch_model.bin";
  EXPECT_SAYS(sharded.answer(), "must be all safetensors or all PyTorch's");
}

TEST(WeightsFile, DamagedIndexesAreRefused) {
  const Sharded sharded;
  const std::string path = sharded.path() + ": ";
  EXPECT_SAYS(sharded.answer(""), path + "the file is empty");
  EXPECT_SAYS(sharded.answer("{\"weight_map\":{}}}"), "not valid JSON");
  EXPECT_SAYS(sharded.answer(std::string("{}\0", 3)), "byte 2 is zero");
  EXPECT_SAYS(sharded.answer("[]"), path + "needed an object with the object weight_map");
  EXPECT_SAYS(sharded.answer("{}"), "needed an object with the object weight_map");
  EXPECT_SAYS(sharded.answer(R"({"weight_map":[]})"), "needed an object with the object weight_map");
  EXPECT_SAYS(sharded.answer(R"({"weight_map":{}})"), path + "weight_map is empty");
  EXPECT_SAYS(sharded.answer(R"({"weight_map":{"a":1}})"),
              "tensor \"a\": the name of its file must be a text");
  EXPECT_SAYS(sharded.answer(R"({"weight_map":{"a":"one.safetensors","a":"two.safetensors"}})"),
              "\"a\" appears twice");
  EXPECT_SAYS(sharded.answer(R"({"weight_map":{},"weight_map":{}})"), "\"weight_map\" appears twice");
  EXPECT_SAYS(sharded.answer(std::string(1'000'000, '[')), "nested more than 32 deep");
  EXPECT_SAYS(sharded.answer(R"({"weight_map":{"a":1e999}})"), "a number that is too large");
  // Information that nobody needs.
  const std::string without = sharded.answer(R"({"weight_map":{"a":"one.safetensors"}})");
  for (const char* size : {"-1", "1.5", "\"36\"", "1e300", "null", "NaN"}) {
    EXPECT_EQ(sharded.answer(
                  text(R"({"metadata":{"total_size":)", size, R"(},"weight_map":{"a":"one.safetensors"}})")),
              without);
  }
  EXPECT_EQ(sharded.answer(R"({"metadata":3,"weight_map":{"a":"one.safetensors"}})"), without);
}

TEST(WeightsFile, TotalSizeMayCountTiedWeightsOnce) {
  const TemporaryFolder folder;
  fs::copy(golden("torch_sharded"), folder.path(), fs::copy_options::recursive);
  const std::string path = folder / "pytorch_model.bin.index.json";
  json index = json::parse(read_file(path));
  const int64_t all = index["metadata"]["total_size"];
  const auto warning = [&](int64_t size) {
    index["metadata"]["total_size"] = size;
    pieces::write(path, index.dump());
    return warnings_of(path);
  };
  EXPECT_EQ(warning(all), "");
  EXPECT_EQ(warning(all - 240), "");  // "tied" is "grid" once more
  EXPECT_SAYS(warning(all - 4), "total_size");
}

TEST(WeightsFile, RealModelsOpen) {
  REQUIRE_SHARED(roberta, "data/mini-roberta");
  REQUIRE_SHARED(albert, "data/albert-rxnmapper");
  const WeightsFile weights = WeightsFile::open(roberta);
  EXPECT_TRUE(weights.path().ends_with("model.safetensors"));
  EXPECT_EQ(weights.tensors().size(), 74u);
  EXPECT_EQ(WeightsFile::open(albert).tensors().size(), 30u);
  EXPECT_EQ(WeightsFile::open(albert + "/pytorch_model.bin").tensors().size(), 32u);
}

}  // namespace
}  // namespace lf
