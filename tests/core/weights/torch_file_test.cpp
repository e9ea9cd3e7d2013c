// PyTorch checkpoints as PyTorch writes them: both formats, every type, views, wrappers, and the real
// pretrained files.
#include "core/weights/torch_file.h"

#include <bit>
#include <cmath>
#include <set>
#include <utility>

#include "core/weights/half.h"
#include "core/weights/safetensors.h"
#include "tests/core/weights/torch_pieces.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

using Names = std::vector<std::string>;

std::string golden(const std::string& name) { return source_path("tests/golden/" + name); }

// Every expected tensor is there, bit for bit, by both ways of reading.
void expect_same(const TorchFile& file, const SafetensorsFile& expected) {
  for (const std::string& name : expected.names()) {
    ASSERT_TRUE(file.contains(name)) << name;
    const Tensor value = expected.read(name);
    EXPECT_EQ(file.info(name).shape, value.shape()) << name;
    EXPECT_EQ(file.info(name).dtype, value.dtype()) << name;
    EXPECT_SAME_BITS(file.read(name), value) << name;
    const Tensor destination = Tensor::zeros(value.shape(), value.dtype());
    file.read_into(name, destination);
    EXPECT_SAME_BITS(destination, value) << name;
  }
}

class TorchFormats : public ::testing::TestWithParam<const char*> {};

TEST_P(TorchFormats, EveryTensorHasPyTorchsValues) {
  const TorchFile file(golden(GetParam()));
  const SafetensorsFile expected(golden("torch_values.safetensors"));
  EXPECT_EQ(expected.tensors().size(), 21u);
  EXPECT_EQ(file.tensors().size(), 25u);
  expect_same(file, expected);
  file.verify();
  EXPECT_EQ(file.wrapper(), "");
  EXPECT_EQ(file.is_legacy(), std::string(GetParam()) == "torch_legacy.pt");
}

TEST_P(TorchFormats, TensorsAreDescribedAndKeepTheirOrder) {
  const TorchFile file(golden(GetParam()));
  const Names names = file.names();
  EXPECT_EQ(names.front(), "f32");
  EXPECT_EQ(names.back(), "layer.0.n\u00e4me");
  const std::vector<std::pair<std::string, std::string>> stored = {
      {"f32", "F32"}, {"f64", "F64"}, {"bf16", "BF16"}, {"f16", "F16"},  {"i64", "I64"},
      {"i32", "I32"}, {"u8", "U8"},   {"u16", "U16"},   {"bool", "BOOL"}};
  for (const auto& [name, dtype] : stored) EXPECT_EQ(file.info(name).stored_dtype, dtype);
  EXPECT_EQ(file.info("empty").shape, (Shape{3, 0, 2}));
  EXPECT_EQ(file.info("scalar").shape, Shape());
  EXPECT_EQ(file.info("permuted").strides, (std::vector<int64_t>{1, 20, 5}));
  EXPECT_FALSE(file.info("permuted").contiguous());
  EXPECT_TRUE(file.info("row").contiguous());
  EXPECT_ERROR(file.info("nothing"), golden(GetParam()) + ": no tensor nothing among its 25");
}

TEST_P(TorchFormats, TypesThatThisProgramLacksAreNamedWhenRead) {
  const TorchFile file(golden(GetParam()));
  for (const auto& each :
       std::map<std::string, std::string>{{"i16", "I16"}, {"i8", "I8"}, {"c64", "C64"}, {"f8", "F8_E4M3"}}) {
    const std::string &name = each.first, &stored = each.second;
    EXPECT_EQ(file.info(name).stored_dtype, stored);
    EXPECT_FALSE(file.info(name).dtype);
    EXPECT_ERROR(file.read(name),
                 golden(GetParam()) + ": tensor " + name + " has the unsupported type " + stored);
  }
}

TEST_P(TorchFormats, SharedStoragesAreReadUnderEveryName) {
  const TorchFile file(golden(GetParam()));
  EXPECT_EQ(file.aliases("grid"), Names{"tied"});
  EXPECT_EQ(file.aliases("tied"), Names{"grid"});
  EXPECT_TRUE(file.aliases("permuted").empty());
  EXPECT_EQ(file.info("grid").storage, file.info("element").storage);
  EXPECT_EQ(file.info("element").offset, 33);
  EXPECT_EQ(file.read("element").item(), 33 / 8.0 - 2);
}

TEST_P(TorchFormats, ReadingIntoTheWrongTensorIsRefused) {
  const TorchFile file(golden(GetParam()));
  EXPECT_ERROR(file.read_into("f32", Tensor::zeros({3, 2}, DType::f32)),
               "tensor f32 is (2, 3) F32, needed (3, 2) f32");
  EXPECT_ERROR(file.read_into("f32", Tensor::zeros({2, 3}, DType::f64)), "needed (2, 3) f64");
  EXPECT_ERROR(file.read_into("i8", Tensor::zeros({2, 3}, DType::u8)), "is (2, 3) I8");
}

INSTANTIATE_TEST_SUITE_P(Torch, TorchFormats, ::testing::Values("torch_zip.pt", "torch_legacy.pt"),
                         [](const auto& test) {
                           const std::string name = test.param;
                           return name.substr(6, name.find('.') - 6);
                         });

TEST(Torch, AStateDictIsTakenOutOfATrainingCheckpoint) {
  const TorchFile file(golden("torch_training.pt"));
  EXPECT_EQ(file.wrapper(), "state_dict");
  EXPECT_EQ(file.left_out(), (Names{"epoch", "loss", "shape", "optimizer"}));
  EXPECT_EQ(file.names(), (Names{"encoder.weight", "encoder.0", "scalar"}));
  const SafetensorsFile expected(golden("torch_values.safetensors"));
  EXPECT_SAME_BITS(file.read("encoder.weight"), expected.read("f32"));
  EXPECT_SAME_BITS(file.read("encoder.0"), expected.read("i64"));
}

// Opens a zip checkpoint of this object with storages "0" and "1" of four floats each.
Names names_of(const std::string& object) {
  const TemporaryFolder folder;
  pieces::write_zip(folder / "a.pt", {{"m/data.pkl", pieces::pickle(object)},
                                      {"m/data/0", pieces::four_floats()},
                                      {"m/data/1", pieces::four_floats()}});
  return TorchFile(folder / "a.pt").names();
}

TEST(Torch, WrappersAreFollowedOnlyWhereNothingElseIsMeant) {
  using namespace pieces;
  const std::string x = tensor(storage("0", 4), 0, {4}, {1});
  EXPECT_EQ(names_of(dict({str("x"), x})), Names{"x"});
  EXPECT_EQ(names_of(dict({str("model"), dict({str("state_dict"), dict({str("x"), x})})})), Names{"x"});
  EXPECT_EQ(names_of(dict({str("model_state_dict"), dict({str("x"), x}), str("epoch"), integer(1)})),
            Names{"x"});
  // A tensor beside it: "model" is a part of the model.
  EXPECT_EQ(names_of(dict({str("model"), dict({str("x"), x}), str("y"), x})), (Names{"model.x", "y"}));
  EXPECT_EQ(names_of(dict({str("encoder"), dict({str("x"), x})})), Names{"encoder.x"});
  EXPECT_TRUE(names_of("}").empty());
}

// Formats that today's PyTorch reads and no longer writes.
TEST(Torch, OldWaysOfWritingAreUnderstood) {
  using namespace pieces;
  const TemporaryFolder folder;
  const auto view_of = [](const std::string& part) {
    return tuple(
               {str("storage"), global("torch", "FloatStorage"), str("7"), str("cuda:0"), integer(4), part}) +
           "Q";
  };
  const std::string middle = view_of(tuple({str("8"), integer(1), integer(3)}));
  const std::string first = call(global("torch._utils", "_rebuild_tensor"),
                                 {view_of("N"), integer(2), integers({2}), integers({1})});
  const std::string objects = pickle(dict({str("whole"), tensor(view_of("N"), 0, {2, 2}, {2, 1}),
                                           str("middle"), tensor(middle, 1, {2}, {1}), str("first"), first}));
  write(folder / "a.bin", legacy(objects, {{"7", 4, four_floats()}}));
  const TorchFile file(folder / "a.bin");
  EXPECT_EQ(file.read("whole").to_doubles(), (std::vector<double>{1, 2, 3, 4}));
  EXPECT_EQ(file.read("middle").to_doubles(), (std::vector<double>{3, 4}));
  EXPECT_EQ(file.read("first").to_doubles(), (std::vector<double>{3, 4}));
}

TEST(Torch, HalvesAreConvertedExactly) {
  const TorchFile file(golden("torch_zip.pt"));
  const Tensor halves = file.read("f16");
  const float* values = halves.data<float>();
  EXPECT_EQ(values[0], 0x1p-24f);
  EXPECT_EQ(values[1], 1023 * 0x1p-24f);
  EXPECT_EQ(values[4], 65504.0f);
  EXPECT_EQ(values[6], -INFINITY);
  EXPECT_TRUE(std::signbit(values[7]) && values[7] == 0);
  // PyTorch's own conversion of a NaN depends on where in a tensor it stands.
  EXPECT_EQ(std::bit_cast<uint32_t>(float_of_half(0x7e01)), 0x7fc02000u);
  EXPECT_EQ(std::bit_cast<uint32_t>(float_of_half(0xfc01)), 0xff802000u);
}

TEST(Torch, RealLegacyCheckpointEqualsItsSafetensors) {
  REQUIRE_SHARED(folder, "data/albert-rxnmapper");
  const TorchFile file(folder + "/pytorch_model.bin");
  EXPECT_TRUE(file.is_legacy());
  EXPECT_EQ(file.tensors().size(), 32u);
  const SafetensorsFile expected(folder + "/model.safetensors");
  EXPECT_EQ(expected.tensors().size(), 30u);
  expect_same(file, expected);
  EXPECT_EQ(file.aliases("predictions.decoder.weight"), Names{"albert.embeddings.word_embeddings.weight"});
  EXPECT_EQ(file.aliases("predictions.decoder.bias"), Names{"predictions.bias"});
  EXPECT_SAME_BITS(file.read("predictions.decoder.weight"),
                   expected.read("albert.embeddings.word_embeddings.weight"));
}

// What PyTorch itself reads from the real zip checkpoint.
struct Element {
  const char* tensor;
  int64_t index;
  float value;
};
constexpr Element kRnabertElements[] = {
    {"module.bert.embeddings.word_embeddings.weight", 137, -0x1.026672p-4f},
    {"module.bert.embeddings.position_embeddings.weight", 37303, 0x1.d0f366p-4f},
    {"module.bert.encoder.layer.2.attention.selfattn.key.bias", 108, 0x1.d3d4bep-6f},
    {"module.bert.encoder.layer.4.attention.output.LayerNorm.gamma", 102, 0x1.fabd3p-4f},
    {"module.cls.seq_relationship.bias", 0, 0x1.be59eep-16f}};
constexpr int64_t kRnabertBytes = 2'039'584;

TEST(Torch, RealZipCheckpointIsRead) {
  REQUIRE_SHARED(path, "data/rnabert/bert_mul_2.pth");
  const TorchFile file(path);
  EXPECT_FALSE(file.is_legacy());
  EXPECT_EQ(file.tensors().size(), 117u);
  std::set<std::string> storages;
  int64_t bytes = 0;
  for (const TorchTensor& tensor : file.tensors()) {
    EXPECT_EQ(tensor.stored_dtype, "F32") << tensor.name;
    EXPECT_TRUE(tensor.name.starts_with("module.")) << tensor.name;
    storages.insert(tensor.storage);
    const Tensor value = file.read(tensor.name);
    bytes += value.bytes();
    for (const double x : value.to_doubles())
      ASSERT_TRUE(std::isfinite(x) && std::abs(x) < 100) << tensor.name;
  }
  EXPECT_EQ(storages.size(), 117u);
  EXPECT_EQ(bytes, kRnabertBytes);
  file.verify();
  for (const auto& [name, index, value] : kRnabertElements) {
    EXPECT_EQ(file.read(name).data<float>()[index], value) << name;
  }
}

}  // namespace
}  // namespace lf
