// Safetensors: the reference implementation's file is understood, ours is exactly as it should be, and every
// kind of damage is refused with the file's and the tensor's name.
#include "core/weights/safetensors.h"

#include <cstring>
#include <fstream>
#include <numeric>

#include "core/hash.h"
#include "tests/core/weights/safetensors_bytes.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

const std::string kGolden = source_path("tests/golden/safetensors_types.safetensors");

std::string entry(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

std::string one_tensor(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"x":)" + entry(dtype, shape, offsets) + "}";
}

// What opening a file of this content says.
std::string answer(const std::string& content) {
  const TemporaryFolder folder;
  std::ofstream(folder / "damaged.st", std::ios::binary) << content;
  const std::string error = error_of([&] { SafetensorsFile(folder / "damaged.st"); });
  EXPECT_TRUE(error.empty() || error.starts_with(folder / "damaged.st")) << error;
  return error;
}

#define EXPECT_ANSWER(content, part) EXPECT_PRED_FORMAT2(::testing::IsSubstring, part, answer(content))

TEST(Safetensors, ReferenceFileIsUnderstood) {
  const SafetensorsFile file(kGolden);
  EXPECT_EQ(file.metadata(), (SafetensorsMetadata{{"note", "made by the reference implementation"}}));
  EXPECT_EQ(file.tensors().size(), 15);
  for (const auto& [name, dtype] : std::map<std::string, DType>{{"f32", DType::f32},
                                                                {"f64", DType::f64},
                                                                {"bf16", DType::bf16},
                                                                {"i32", DType::i32},
                                                                {"i64", DType::i64},
                                                                {"u8", DType::u8},
                                                                {"u16", DType::u16}}) {
    EXPECT_EQ(file.info(name).dtype, dtype) << name;
    EXPECT_EQ(file.info(name).shape, (Shape{2, 3})) << name;
  }
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(file.read("f32").data<float>()[i], static_cast<float>(i) / 4 - 0.5f);
    EXPECT_EQ(file.read("f64").data<double>()[i], i / 3.0);
    EXPECT_EQ(static_cast<float>(file.read("bf16").data<bf16>()[i]), static_cast<float>(i) * 1.5f);
    EXPECT_EQ(file.read("i32").data<int32_t>()[i], i - 3);
    EXPECT_EQ(file.read("i64").data<int64_t>()[i], (i - 3) * 1'000'000'000'000);
    EXPECT_EQ(file.read("u8").data<uint8_t>()[i], i * 51);
    EXPECT_EQ(file.read("u16").data<uint16_t>()[i], i * 13107);
  }
  EXPECT_EQ(file.read("scalar").shape(), Shape());
  EXPECT_EQ(file.read("scalar").item(), 2.5);
  EXPECT_EQ(file.read("empty").shape(), (Shape{3, 0, 2}));
  EXPECT_EQ(file.read("name \"with\" \\ and \u00e9").item(), 1.0);
}

TEST(Safetensors, UnsupportedTypesAreNamedOnlyWhenRead) {
  const SafetensorsFile file(kGolden);
  for (const auto& each : std::map<std::string, std::string>{
           {"f16", "F16"}, {"bool", "BOOL"}, {"f8", "F8_E4M3"}, {"i8", "I8"}, {"c64", "C64"}}) {
    const std::string &name = each.first, &stored = each.second;
    EXPECT_EQ(file.info(name).stored_dtype, stored);
    EXPECT_FALSE(file.info(name).dtype);
    EXPECT_ERROR(file.read(name), kGolden + ": tensor " + name + " has the unsupported type " + stored);
  }
}

std::vector<NamedTensor> sample() {
  std::vector<float> ramp(12);
  std::iota(ramp.begin(), ramp.end(), -3.25f);
  std::vector<int64_t> odd = {1, -(1LL << 62), 3};
  return {{"z.weight", Tensor::from({3, 4}, ramp)},
          {"a.ids", Tensor::from({3}, odd)},
          {"nothing", Tensor::zeros({0, 7}, DType::bf16)},
          {"a.scalar", Tensor::full({}, DType::f64, 1.0 / 3)},
          {"a.bytes", Tensor::from({5}, std::vector<uint8_t>{1, 2, 3, 4, 255})}};
}

TEST(Safetensors, RoundTripIsBitExactAndKeepsTheOrder) {
  const TemporaryFolder folder;
  const std::vector<NamedTensor> tensors = sample();
  const SafetensorsMetadata metadata = {{"format", "pt"}, {"quote\"d", "line\nbreak"}};
  const WrittenSafetensors written = write_safetensors(folder / "a", tensors, metadata);
  EXPECT_EQ(entries(folder.path()), std::vector<std::string>{"a"});
  const std::string content = read_file(folder / "a");
  EXPECT_EQ(written.bytes, static_cast<int64_t>(content.size()));
  EXPECT_EQ(written.bytes, safetensors_bytes(tensors, metadata));
  EXPECT_EQ(written.hash, content_hash_of_file(folder / "a").hash);
  const SafetensorsFile file(folder / "a");
  EXPECT_EQ(file.metadata(), metadata);
  EXPECT_EQ(file.names(), (std::vector<std::string>{"z.weight", "a.ids", "nothing", "a.scalar", "a.bytes"}));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i].tensor;
    const Tensor read = file.read(tensors[i].name);
    EXPECT_EQ(read.shape(), tensor.shape());
    ASSERT_EQ(read.dtype(), tensor.dtype());
    EXPECT_EQ(std::memcmp(read.raw(), tensor.raw(), static_cast<size_t>(tensor.bytes())), 0);
    EXPECT_EQ(written.tensor_hashes[i], content_hash(file.bytes(tensors[i].name)));
  }
}

TEST(Safetensors, LargeTensorsAreWrittenInPieces) {
  const TemporaryFolder folder;
  Tensor large = Tensor::empty({700'001}, DType::f32);  // 2.67 pieces
  for (int64_t i = 0; i < large.elements(); ++i) large.data<float>()[i] = static_cast<float>(i);
  const WrittenSafetensors written = write_safetensors(folder / "a", {{"large", large}});
  EXPECT_EQ(written.hash, content_hash_of_file(folder / "a").hash);
  const Tensor read = SafetensorsFile(folder / "a").read("large");
  EXPECT_EQ(std::memcmp(read.raw(), large.raw(), static_cast<size_t>(large.bytes())), 0);
}

TEST(Safetensors, TensorsMayComeOneAfterTheOther) {
  const TemporaryFolder folder;
  const std::vector<NamedTensor> tensors = sample();
  write_safetensors(folder / "whole", tensors);
  std::vector<TensorSpec> specs;
  for (const auto& [name, tensor] : tensors) specs.push_back({name, tensor.dtype(), tensor.shape()});
  {
    SafetensorsWriter writer(folder / "a", specs);
    EXPECT_ERROR(writer.write(Tensor::zeros({4, 3}, DType::f32)),
                 "tensor \"z.weight\" is (4, 3) f32, announced");
    for (const NamedTensor& entry : tensors) writer.write(entry.tensor);
    EXPECT_ERROR(writer.write(tensors[0].tensor), "all of its 5 tensors are written already");
    EXPECT_FALSE(std::filesystem::exists(folder / "a"));
    writer.commit();
  }
  EXPECT_EQ(read_file(folder / "a"), read_file(folder / "whole"));
  {
    SafetensorsWriter writer(folder / "b", specs);
    writer.write(tensors[0].tensor);
    EXPECT_ERROR(writer.commit(), "1 of its 5 tensors are written");
  }
  EXPECT_EQ(entries(folder.path()), (std::vector<std::string>{"a", "whole"}));
}

TEST(Safetensors, ATensorMayComeInParts) {
  const TemporaryFolder folder;
  const Tensor x = random_tensor({5, 3}, DType::f32, 1), y = random_tensor({2}, DType::f32, 2);
  const WrittenSafetensors whole = write_safetensors(folder / "whole", {{"x", x}, {"y", y}});
  SafetensorsWriter writer(folder / "parts", {{"x", DType::f32, {5, 3}}, {"y", DType::f32, {2}}});
  writer.write_part(x.slice(0, 2));
  EXPECT_ERROR(writer.write_part(Tensor::zeros({4, 3}, DType::f32)),
               "a part of tensor \"x\" is (4, 3) f32, announced was (5, 3) f32, of which 2 are written");
  EXPECT_ERROR(writer.write_part(Tensor::zeros({2, 4}, DType::f32)), "a part of tensor \"x\" is (2, 4)");
  EXPECT_ERROR(writer.write(x), "tensor \"x\" is (5, 3) f32, announced was");
  writer.write_part(x.slice(2, 5));
  writer.write(y);
  EXPECT_EQ(writer.commit().tensor_hashes, whole.tensor_hashes);
  EXPECT_EQ(read_file(folder / "parts"), read_file(folder / "whole"));
}

TEST(Safetensors, FileIsExactlyAsSpecified) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", {{"x", Tensor::full({2}, DType::f32, 1.0)}}, {{"k", "v"}});
  const std::string header =
      R"({"__metadata__":{"k":"v"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const std::string padded = header + std::string((8 - header.size() % 8) % 8, ' ');
  const std::string ones("\x00\x00\x80\x3f\x00\x00\x80\x3f", 8);
  EXPECT_EQ(read_file(folder / "a"), length_bytes(padded.size()) + padded + ones);
  write_safetensors(folder / "none", {});
  EXPECT_EQ(read_file(folder / "none"), length_bytes(8) + "{}      ");
  EXPECT_TRUE(SafetensorsFile(folder / "none").tensors().empty());
}

TEST(Safetensors, ReadingIntoTheWrongTensorIsRefused) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a", sample());
  const SafetensorsFile file(folder / "a");
  Tensor right = Tensor::zeros({3, 4}, DType::f32);
  file.read_into("z.weight", right);
  EXPECT_EQ(right.data<float>()[11], 7.75f);
  EXPECT_ERROR(file.read_into("z.weight", Tensor::zeros({4, 3}, DType::f32)),
               (folder / "a") + ": tensor z.weight is (3, 4) F32, needed (4, 3) f32");
  EXPECT_ERROR(file.read_into("z.weight", Tensor::zeros({3, 4}, DType::i32)), "needed (3, 4) i32");
  EXPECT_ERROR(file.read("weight"), (folder / "a") + ": no tensor weight among its 5");
}

TEST(Safetensors, UnwritableTensorsAreRefusedAndLeaveNothing) {
  const TemporaryFolder folder;
  const Tensor x = Tensor::zeros({1}, DType::f32);
  EXPECT_ERROR(write_safetensors(folder / "a", {{"x", x}, {"x", x}}), "two tensors are called \"x\"");
  EXPECT_ERROR(write_safetensors(folder / "a", {{"x", Tensor()}}), "tensor \"x\" holds nothing");
  EXPECT_ERROR(write_safetensors(folder / "a", {{"__metadata__", x}}), "cannot be called __metadata__");
  EXPECT_ERROR(write_safetensors(folder / "a", {{"\xff", x}}), "is not valid UTF-8");
  EXPECT_ERROR(write_safetensors(folder / "a", {{"x", x}}, {{"k", "\xff"}}), "is not valid UTF-8");
  EXPECT_TRUE(entries(folder.path()).empty());
}

TEST(Safetensors, DamagedSizesAreRefused) {
  const std::string good = file_of(one_tensor("F32", "[2]", "[0,8]"), 8);
  EXPECT_EQ(answer(good), "");
  EXPECT_ANSWER("", "not a safetensors file: 0 bytes");
  EXPECT_ANSWER("1234567", "not a safetensors file: 7 bytes");
  EXPECT_ANSWER(length_bytes(100'000'001) + "{}", "its header would be 100000001 bytes long");
  EXPECT_ANSWER(length_bytes(~0ULL) + "{}", "its header would be 18446744073709551615 bytes long");
  EXPECT_ANSWER(length_bytes(3) + "{}", "the header is 3 bytes long, but only 2 follow (truncated?)");
  EXPECT_ANSWER(length_bytes(0) + "{}", "its header is empty");
  EXPECT_ANSWER(good.substr(0, good.size() - 1),
                "tensor \"x\": its data end at byte 8, but the file holds only 7 bytes of data (truncated?)");
  EXPECT_ANSWER(good + "!", "1 bytes after the last tensor \"x\" belong to no tensor");
  EXPECT_ANSWER(file_of("{}", 1), "1 bytes after the last tensor belong to no tensor");
  for (size_t size = 0; size < good.size(); ++size) EXPECT_NE(answer(good.substr(0, size)), "") << size;
}

TEST(Safetensors, DamagedOffsetsAreRefused) {
  const auto two = [](const std::string& a, const std::string& b) {
    return R"({"a":)" + entry("U8", "[4]", a) + R"(,"b":)" + entry("U8", "[4]", b) + "}";
  };
  EXPECT_EQ(answer(file_of(two("[0,4]", "[4,8]"), 8)), "");
  EXPECT_EQ(answer(file_of(two("[4,8]", "[0,4]"), 8)), "");
  EXPECT_ANSWER(file_of(two("[0,4]", "[3,7]"), 7), "tensors \"a\" and \"b\" overlap");
  EXPECT_ANSWER(file_of(two("[0,4]", "[0,4]"), 4), "tensors \"a\" and \"b\" overlap");
  EXPECT_ANSWER(file_of(two("[0,4]", "[5,9]"), 9), "1 bytes before tensor \"b\" belong to no tensor");
  EXPECT_ANSWER(file_of(two("[1,5]", "[5,9]"), 9), "1 bytes before tensor \"a\" belong to no tensor");
  EXPECT_ANSWER(file_of(two("[0,4]", "[8,4]"), 8), "tensor \"b\": its data end at 4, before they begin at 8");
  EXPECT_ANSWER(file_of(two("[0,4]", "[4,9]"), 8), "tensor \"b\": its data end at byte 9");
  EXPECT_ANSWER(file_of(two("[0,4]", "[4,9]"), 9),
                "tensor \"b\": shape (4) of U8 needs 4 bytes, data_offsets give 5");
  EXPECT_ANSWER(file_of(two("[0,4]", "[9223372036854775804,9223372036854775808]"), 8), "from 0 to 2^63 - 1");
  EXPECT_ANSWER(file_of(two("[0,4]", "[4]"), 8), "data_offsets must be two numbers, got 1");
  EXPECT_ANSWER(file_of(two("[0,4]", "[-4,8]"), 8), "tensor \"b\": data_offsets must hold whole numbers");
  EXPECT_ANSWER(file_of(two("[0,4]", "[4.0,8]"), 8), "must hold whole numbers");
  EXPECT_ANSWER(file_of(two("[0,4]", "\"4,8\""), 8), "must be a list of whole numbers");
}

TEST(Safetensors, DamagedShapesAndTypesAreRefused) {
  EXPECT_ANSWER(file_of(one_tensor("F32", "[3]", "[0,8]"), 8), "shape (3) of F32 needs 12 bytes");
  EXPECT_ANSWER(file_of(one_tensor("F64", "[2]", "[0,8]"), 8), "shape (2) of F64 needs 16 bytes");
  EXPECT_ANSWER(file_of(one_tensor("F31", "[2]", "[0,8]"), 8), "tensor \"x\": unknown dtype \"F31\"");
  EXPECT_ANSWER(file_of(one_tensor("f32", "[2]", "[0,8]"), 8), "unknown dtype \"f32\"");
  EXPECT_ANSWER(file_of(one_tensor("F4", "[3]", "[0,2]"), 2), "do not fill whole bytes");
  EXPECT_EQ(answer(file_of(one_tensor("F4", "[4]", "[0,2]"), 2)), "");
  // 2^32 * 2^32 elements are 0 in 64 bits; 2^61 doubles are too.
  EXPECT_ANSWER(file_of(one_tensor("U8", "[4294967296,4294967296]", "[0,0]"), 0), "too large to exist");
  EXPECT_ANSWER(file_of(one_tensor("F64", "[2305843009213693952]", "[0,0]"), 0), "too large to exist");
  EXPECT_ANSWER(file_of(one_tensor("U8", "[4294967296,4294967296,0]", "[0,0]"), 0), "too large to exist");
  EXPECT_ANSWER(file_of(one_tensor("U8", "[-2,-2]", "[0,4]"), 4), "shape must hold whole numbers");
  EXPECT_ANSWER(file_of(one_tensor("U8", "[[4]]", "[0,4]"), 4), "shape must hold whole numbers");
  EXPECT_ANSWER(file_of(one_tensor("U8", "[\"4\"]", "[0,4]"), 4), "shape must hold whole numbers");
}

TEST(Safetensors, DamagedHeadersAreRefused) {
  const std::string x = entry("U8", "[4]", "[0,4]");
  EXPECT_ANSWER(file_of("[]", 0), "does not begin with {");
  EXPECT_ANSWER(file_of(" []", 0), "does not begin with {");
  EXPECT_ANSWER(file_of("  ", 0), "its header is empty");
  EXPECT_ANSWER(file_of(R"({"x":)" + x, 4), "not valid JSON");
  EXPECT_ANSWER(file_of("{}{}", 0), "1:3: not valid JSON");
  EXPECT_ANSWER(file_of(R"({"x":1e999})", 0), "holds a number that is too large");
  EXPECT_ANSWER(file_of(std::string("{}\0junk", 7), 0), "a zero byte");
  EXPECT_ANSWER(file_of(R"({"\xff":)" + x + "}", 4), "not valid JSON");
  EXPECT_ANSWER(file_of("{\"\xff\":" + x + "}", 4), "not valid JSON");
  EXPECT_ANSWER(file_of(R"({"x":)" + x + R"(,"x":)" + x + "}", 4), "\"x\" appears twice");
  EXPECT_ANSWER(file_of(R"({"x":{"dtype":"U8","dtype":"I8","shape":[4],"data_offsets":[0,4]}})", 4),
                "\"dtype\" appears twice");
  EXPECT_ANSWER(file_of(R"({"x":{"dtype":"U8","shape":[4]}})", 4), "tensor \"x\": no data_offsets");
  EXPECT_ANSWER(file_of(R"({"x":3})", 0), "tensor \"x\": must be an object");
  EXPECT_ANSWER(file_of(R"({"__metadata__":3})", 0), "__metadata__ must be an object");
  EXPECT_ANSWER(file_of(R"({"__metadata__":{"k":3}})", 0), "\"k\" must be a text");
  EXPECT_ANSWER(file_of("{\"x\":" + std::string(1'000'000, '['), 0), "nested more than 32 deep");
  // Text from the file reaches a terminal escaped and cut.
  EXPECT_ANSWER(file_of("{\"\\u001b[31m" + std::string(5000, 'n') + "\":3}", 0), "\"\\u001b[31mnnn");
  EXPECT_LT(answer(file_of("{\"" + std::string(5000, 'n') + "\":3}", 0)).size(), 400);
}

// What the format allows and other writers do; safetensors 0.8 reads all of it.
TEST(Safetensors, HeadersOfOtherWriters) {
  EXPECT_EQ(answer(file_of(" \t\n " + one_tensor("F32", "[2]", "[0,8]"), 8)), "");
  EXPECT_EQ(answer(file_of(R"({"__metadata__":null,"x":)" + entry("U8", "[4]", "[0,4]") + "}", 4)), "");
  EXPECT_EQ(answer(file_of(R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"y":[1]}})", 4)), "");
}

}  // namespace
}  // namespace lf
