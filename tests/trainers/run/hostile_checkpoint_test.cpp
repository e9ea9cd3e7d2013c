// Hostile and damaged PyTorch checkpoints: code is never run, memory and time stay bounded, and every refusal
// says what is wrong and where.
#include <unistd.h>

#include <utility>

#include "core/weights/pickle.h"
#include "core/weights/torch_file.h"
#include "core/weights/torch_types.h"
#include "tests/core/weights/torch_pieces.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

using namespace pieces;

const std::string kGood = tensor(storage("0", 4), 0, {4}, {1});

// What opening a zip checkpoint with this pickle and one storage of four floats says; "" if it opens.
std::string answer_to_pickle(const std::string& content) {
  const TemporaryFolder folder;
  write_zip(folder / "a.pt", {{"m/data.pkl", content}, {"m/data/0", four_floats()}});
  const std::string error = error_of([&] { TorchFile(folder / "a.pt"); });
  EXPECT_TRUE(error.empty() || error.starts_with(folder / "a.pt")) << error;
  EXPECT_LT(error.size(), 900u);
  return error;
}

std::string answer(const std::string& object) { return answer_to_pickle(pickle(object)); }

// What opening a file of this content says.
std::string answer_to_file(const std::string& content) {
  const TemporaryFolder folder;
  write(folder / "a.bin", content);
  const std::string error = error_of([&] { TorchFile(folder / "a.bin"); });
  EXPECT_TRUE(error.empty() || error.starts_with(folder / "a.bin")) << error;
  return error;
}

std::string answer_to_members(const Members& members, int32_t method = ZIP_CM_STORE) {
  const TemporaryFolder folder;
  write_zip(folder / "a.pt", members, method);
  return error_of([&] { TorchFile(folder / "a.pt").verify(); });
}

#define EXPECT_SAYS(received, part) EXPECT_PRED_FORMAT2(::testing::IsSubstring, part, received)

TEST(HostileCheckpoint, NoCodeIsRun) {
  const TemporaryFolder folder;
  const std::string proof = folder / "proof";
  const std::string command = str("touch " + proof);
  const std::string advice = "save its tensors with safetensors.torch.save_file";
  const std::string system = answer(call(global("os", "system"), {command}));
  EXPECT_SAYS(system, "data.pkl: byte 2: the global \"os.system\" is not allowed");
  EXPECT_SAYS(system, advice);
  const std::string eval = str("__import__('os').system('touch " + proof + "')");
  EXPECT_SAYS(answer(call(global("builtins", "eval"), {eval})),
              "the global \"builtins.eval\" is not allowed");
  EXPECT_SAYS(answer(str("posix") + str("system") + "\x93" + tuple({command}) + "R"),
              "byte 23: the global \"posix.system\" is not allowed");
  // Hidden where no tensor is, and in parts that are read before the objects.
  EXPECT_SAYS(answer(dict({str("x"), kGood, str("y"), call(global("os", "system"), {command})})),
              "\"os.system\"");
  const std::string bad = call(global("os", "system"), {command});
  EXPECT_SAYS(answer_to_file(pickle(bad)), "not a PyTorch checkpoint");
  EXPECT_SAYS(answer_to_file(legacy(pickle(bad), {})), "\"os.system\" is not allowed");
  EXPECT_SAYS(answer_to_file(legacy(pickle("}"), {}, bad)), "its system: byte 30: the global \"os.system\"");
  EXPECT_SAYS(answer_to_file(pickle(bad) + pickle(bad)), "not a PyTorch checkpoint");
  EXPECT_FALSE(std::filesystem::exists(proof));
}

TEST(HostileCheckpoint, OtherGlobalsAreRefused) {
  for (const auto& [module, name] :
       std::vector<std::pair<std::string, std::string>>{{"torch.storage", "_load_from_bytes"},
                                                        {"torch", "load"},
                                                        {"torch._utils", "_rebuild_sparse_tensor"},
                                                        {"numpy.core.multiarray", "scalar"},
                                                        {"argparse", "Namespace"},
                                                        {"collections", "defaultdict"},
                                                        {"torch._utils", "_rebuild_tensor_v2.__globals__"},
                                                        {"torch._utils", ""},
                                                        {"", ""},
                                                        {"builtins", "getattr"},
                                                        {"torch", "FloatStorage "}}) {
    EXPECT_SAYS(answer(dict({str("x"), global(module, name)})), "the global \"" + module + "." + name + "\"");
  }
  // An escape sequence reaches a terminal as text.
  EXPECT_SAYS(answer(global("os\x1b[31m", "system")), "\"os\\u001b[31m.system\"");
  EXPECT_SAYS(answer("cos" + std::string(300, 's')), "does not end within 256 bytes");
}

TEST(HostileCheckpoint, OpcodesThatMakeObjectsAreRefused) {
  for (const auto& [opcode, name] : std::vector<std::pair<std::string, std::string>>{{"i", "INST"},
                                                                                     {"o", "OBJ"},
                                                                                     {"\x81", "NEWOBJ"},
                                                                                     {"\x92", "NEWOBJ_EX"},
                                                                                     {"\x82", "EXT1"},
                                                                                     {"P", "PERSID"},
                                                                                     {"0", "POP"},
                                                                                     {"2", "DUP"},
                                                                                     {"V", "UNICODE"},
                                                                                     {"\x97", "NEXT_BUFFER"},
                                                                                     {"\xff", "number 255"},
                                                                                     {"\n", "number 10"}}) {
    EXPECT_SAYS(answer("})" + opcode), "data.pkl: byte 4: pickle opcode " + name + " is not allowed");
  }
  EXPECT_SAYS(answer(str("f") + tuple({str("x")}) + "R"), "a call of a str with a tuple");
  EXPECT_SAYS(answer(global("torch", "Size") + str("x") + "R"), "a call of a global with a str");
  EXPECT_SAYS(answer(global("torch", "Size") + ")R" + dict({str("a"), "N"}) + "b"),
              "attributes (a dict) of a call");
  EXPECT_SAYS(answer("}" + str("state") + "b"), "attributes (a str) of a dict");
  EXPECT_SAYS(answer(call(global("collections", "OrderedDict"), {"]"})), "made of 1 arguments, needed none");
  EXPECT_EQ(answer("}" + dict({str("_metadata"), "}"}) + "b"), "");
}

TEST(HostileCheckpoint, BrokenPicklesAreRefused) {
  const std::string early = "uses a value that it has not made";
  EXPECT_SAYS(answer("a"), early);
  EXPECT_SAYS(answer("](e"
                     "s"),
              early);
  EXPECT_SAYS(answer("](a"), early);
  EXPECT_SAYS(answer("\x87"), early);
  EXPECT_SAYS(answer("q\x01"), early);
  EXPECT_SAYS(answer("]N(a"), early);  // what lies below an open mark is not to be used
  EXPECT_SAYS(answer("t"), "closes a mark that it has not set");
  EXPECT_SAYS(answer("h\x05"), "recalls value 5, which it has not kept");
  EXPECT_SAYS(answer("]NNs"), "items are added to a list, needed a dict");
  EXPECT_SAYS(answer("}Na"), "items are added to a dict, needed a list");
  EXPECT_SAYS(answer("}(Nu"), "a key of a dict has no value");
  EXPECT_SAYS(answer("NN"), "ends with 2 values and 0 open marks");
  EXPECT_SAYS(answer("(N"), "ends with 1 values and 1 open marks");
  EXPECT_SAYS(answer(""), "ends with 0 values");
  EXPECT_SAYS(answer_to_pickle("\x80\x02}"), "byte 3: the pickle ends too early (truncated?)");
  EXPECT_SAYS(answer_to_pickle("\x80\x01}."), "pickle protocol 1, needed 2 to 5");
  EXPECT_SAYS(answer_to_pickle("\x80\x06}."), "pickle protocol 6, needed 2 to 5");
  EXPECT_SAYS(answer_to_pickle(""), "truncated?");
  EXPECT_SAYS(answer_to_pickle(pickle("}") + "x"), "1 bytes after its end");
  EXPECT_SAYS(answer("X" + number(0xffffffff, 4) + "abc"), "truncated?");
  EXPECT_SAYS(answer("\x8d" + number(~0ULL, 8) + "abc"), "truncated?");
  EXPECT_SAYS(answer("\x95" + number(~0ULL, 8) + "}"), "a frame is longer than what follows");
  EXPECT_SAYS(answer("r" + number(0xffffffff, 4)), early);
  const std::string whole = pickle(dict({str("x"), kGood}));
  EXPECT_EQ(answer_to_pickle(whole), "");
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(answer_to_pickle(whole.substr(0, size)), "") << size;
}

TEST(HostileCheckpoint, OtherObjectsAreNoStateDicts) {
  EXPECT_SAYS(answer(kGood), "data.pkl: holds a tensor, needed a dictionary of named tensors");
  EXPECT_SAYS(answer("]"), "holds a list");
  EXPECT_SAYS(answer("N"), "holds a None");
  EXPECT_SAYS(answer(dict({str("x"), kGood, str("x"), kGood})), "two tensors are called \"x\"");
  EXPECT_SAYS(answer(dict({str("a.b"), kGood, str("a"), dict({str("b"), kGood})})),
              "two tensors are called \"a.b\"");
  EXPECT_SAYS(answer(dict({tuple({}), kGood})),
              "a key of dictionary \"\" is a tuple, needed a str or an int");
  EXPECT_SAYS(answer(dict({str("\xff"), kGood})), "cannot name a tensor");
  EXPECT_SAYS(answer(dict({str(std::string(600, 'n')), kGood})), "cannot name a tensor");
  const std::string half(300, 'n');
  EXPECT_SAYS(answer(dict({str(half), dict({str(half), kGood})})), "is longer than 512 bytes");
}

TEST(HostileCheckpoint, BombsStayBounded) {
  // A million nested lists: nothing recurses, on the way in or out.
  EXPECT_SAYS(answer(std::string(1'000'000, ']') + std::string(999'999, 'a')), "holds a list");
  EXPECT_SAYS(answer(std::string(1'000'000, '(') + std::string(1'000'000, 't')), "holds a tuple");
  EXPECT_SAYS(answer(std::string(10'000'001, 'N')), "more than 10000000 operations");
  // Dictionaries that hold each other twice, which walked out would be 2^25 tensors.
  std::string twice = dict({str("x"), kGood}) + "q\x01";
  for (int i = 0; i < 25; ++i) twice = dict({str("a"), twice, str("b"), "h\x01"}) + "q\x01";
  EXPECT_SAYS(answer(twice), "also appears under another name");
  EXPECT_SAYS(answer("}q\x01(" + str("a") + "h\x01u"),
              "the dictionary \"a.\" also appears under another name");
  EXPECT_SAYS(answer("}q\x01(" + str("model") + "h\x01u"), "nested more deeply than 32");
  std::string deep = dict({str("x"), kGood});
  for (int i = 0; i < 40; ++i) deep = dict({str("a"), deep});
  EXPECT_SAYS(answer(deep), "nested more deeply than 32");
  // Tensors that would need more memory than anyone has, out of four floats.
  EXPECT_SAYS(answer(dict({str("x"), tensor(storage("0", 4), 0, {1LL << 40}, {0})})),
              "repeats the 4 elements of its storage too often");
  EXPECT_EQ(answer(dict({str("x"), tensor(storage("0", 4), 0, {1 << 20, 4}, {0, 1})})), "");
}

TEST(HostileCheckpoint, TensorsMustLieWithinTheirStorage) {
  const auto of = [](int64_t offset, const std::vector<int64_t>& shape, const std::vector<int64_t>& strides) {
    return answer(dict({str("x"), tensor(storage("0", 4), offset, shape, strides)}));
  };
  constexpr int64_t kLargest = INT64_MAX;
  const std::string beyond = "reaches beyond its storage \"0\" of 4 elements";
  EXPECT_EQ(of(0, {4}, {1}), "");
  EXPECT_EQ(of(3, {}, {}), "");
  EXPECT_EQ(of(1, {2}, {2}), "");
  EXPECT_EQ(of(0, {2, 0}, {9, 9}), "");
  EXPECT_SAYS(of(0, {5}, {1}), "tensor \"x\": shape (5) with strides (1) from element 0 " + beyond);
  EXPECT_SAYS(of(1, {4}, {1}), beyond);
  EXPECT_SAYS(of(4, {}, {}), beyond);
  EXPECT_SAYS(of(2, {2}, {2}), beyond);
  EXPECT_SAYS(of(kLargest, {}, {}), beyond);
  EXPECT_SAYS(of(0, {2}, {kLargest}), beyond);
  EXPECT_SAYS(of(1, {2}, {kLargest}), "too large to exist");
  EXPECT_SAYS(of(0, {5}, {1LL << 62}), "too large to exist");  // 2^64 is 0 in 64 bits
  EXPECT_SAYS(of(0, {1LL << 32, 1LL << 32}, {0, 0}), "too large to exist");
  EXPECT_SAYS(of(0, {1LL << 32, 1LL << 32, 0}, {0, 0, 0}), "too large to exist");
  EXPECT_SAYS(of(0, {1LL << 61}, {0}), "too large to exist");
  EXPECT_SAYS(of(-1, {4}, {1}), "its offset must be an int >= 0");
  EXPECT_SAYS(of(0, {-4}, {1}), "shape: must hold whole numbers >= 0");
  EXPECT_SAYS(of(0, {4}, {-1}), "strides: must hold whole numbers >= 0");
  EXPECT_SAYS(of(0, {4}, {}), "1 axes, but 0 strides");
  EXPECT_SAYS(of(0, std::vector<int64_t>(65, 1), std::vector<int64_t>(65, 1)), "65 axes, allowed are 64");
}

TEST(HostileCheckpoint, CallsOfTheWrongFormAreRefused) {
  const std::string v2 = global("torch._utils", "_rebuild_tensor_v2");
  const std::string zero = integer(0), four = integers({4}), one = integers({1});
  const auto of = [](const std::string& value) { return answer(dict({str("x"), value})); };
  EXPECT_SAYS(of(call(v2, {storage("0", 4), zero, four, one})), "is given 4 arguments, needed 6");
  EXPECT_SAYS(of(call(v2, {str("0"), zero, four, one, "\x89", kNoHooks})), "its storage is a str");
  EXPECT_SAYS(of(call(v2, {storage("0", 4), "N", four, one, "\x89", kNoHooks})), "its offset must be an int");
  EXPECT_SAYS(of(call(v2, {storage("0", 4), zero, str("4"), one, "\x89", kNoHooks})),
              "shape: a str, needed a tuple");
  EXPECT_SAYS(of(call(v2, {storage("0", 4), zero, tuple({"N"}), one, "\x89", kNoHooks})),
              "shape: must hold whole numbers");
  const std::string minus_one("\x8a\x01\xff", 3);
  EXPECT_SAYS(of(call(v2, {storage("0", 4), zero, tuple({minus_one}), one, "\x89", kNoHooks})),
              "shape: must hold whole numbers >= 0");
  const std::string huge("\x8a\x09\0\0\0\0\0\0\0\0\x01", 11);
  EXPECT_SAYS(of(call(v2, {storage("0", 4), zero, tuple({huge}), one, "\x89", kNoHooks})),
              "that fit 64 bits");
  EXPECT_EQ(of(call(v2, {storage("0", 4), zero, four, one, "\x89", kNoHooks, "}"})), "");
  EXPECT_SAYS(of(call(v2, {storage("0", 4), zero, four, one, "\x89", kNoHooks, dict({str("neg"), "\x88"})})),
              "conjugated, negated");
  const std::string parameter = global("torch._utils", "_rebuild_parameter");
  EXPECT_EQ(of(call(parameter, {kGood, "\x88", kNoHooks})), "");
  EXPECT_SAYS(of(call(parameter, {"N", "\x88", kNoHooks})), "parameter \"x\" is not made of a tensor");
  EXPECT_SAYS(of(call(parameter, {})), "parameter \"x\" is not made of a tensor");
  const std::string v3 = global("torch._utils", "_rebuild_tensor_v3");
  EXPECT_SAYS(of(call(v3, {storage("0", 4), zero, four, one, "\x89", kNoHooks, "N"})),
              "no known element type");
}

TEST(HostileCheckpoint, PersistentIdsOfTheWrongFormAreRefused) {
  const auto of = [](const std::string& id) { return answer(dict({str("x"), id + "Q"})); };
  const std::string type = global("torch", "FloatStorage");
  EXPECT_SAYS(of(str("0")), "persistent id: a str, needed a tuple");
  EXPECT_SAYS(of(tuple({})), "persistent id: not one of a storage");
  EXPECT_SAYS(of(tuple({str("module"), type, str("0"), str("cpu"), integer(4)})), "not one of a storage");
  EXPECT_SAYS(of(tuple({str("storage"), str("x"), str("0"), str("cpu"), integer(4)})),
              "no class of storages");
  EXPECT_SAYS(of(tuple({str("storage"), global("torch", "float32"), str("0"), str("cpu"), integer(4)})),
              "no class of storages");
  EXPECT_SAYS(of(tuple({str("storage"), type, integer(0), str("cpu"), integer(4)})), "its key is a int");
  EXPECT_SAYS(of(tuple({str("storage"), type, str(""), str("cpu"), integer(4)})), "cannot name a storage");
  EXPECT_SAYS(of(tuple({str("storage"), type, str("0"), str("cpu"), integer(-4)})), "must be an int >= 0");
  EXPECT_SAYS(of(tuple({str("storage"), type, str("0"), str("cpu"), "N"})), "must be an int >= 0");
  EXPECT_SAYS(of(tuple({str("storage"), type, str("0"), str("cpu"), integer(INT64_MAX)})),
              "too many to exist");
  EXPECT_SAYS(answer(dict({str("x"), storage("0", 4), str("y"), storage("0", 3)})),
              "storage \"0\" has 12 bytes here and 16 before");
  for (const auto& [offset, elements] : std::vector<std::pair<int64_t, int64_t>>{
           {-1, 2}, {0, 5}, {5, 0}, {2, 3}, {INT64_MAX, INT64_MAX}, {0, -1}}) {
    const std::string part = tuple({str("1"), integer(offset), integer(elements)});
    EXPECT_SAYS(of(tuple({str("storage"), type, str("0"), str("cpu"), integer(4), part})),
                "a view does not lie within the 4 elements");
  }
}

TEST(HostileCheckpoint, StoragesMustHaveTheirSize) {
  EXPECT_SAYS(answer(dict({str("x"), storage("0", 5)})), "storage \"0\" has 16 bytes, its tensors need 20");
  EXPECT_SAYS(answer(dict({str("x"), storage("0", 3)})), "storage \"0\" has 16 bytes, its tensors need 12");
  EXPECT_SAYS(answer(dict({str("x"), storage("7", 4)})), "no member \"m/data/7\" in the archive");
  EXPECT_SAYS(answer(dict({str("x"), storage("../data.pkl", 4)})), "no member \"m/data/../data.pkl\"");
  const std::string objects = pickle(dict({str("x"), kGood}));
  EXPECT_EQ(answer_to_file(legacy(objects, {{"0", 4, four_floats()}})), "");
  EXPECT_SAYS(answer_to_file(legacy(objects, {})), "storage \"0\" is not in the file");
  EXPECT_SAYS(answer_to_file(legacy(objects, {{"1", 4, four_floats()}})),
              "storage \"1\" belongs to no tensor");
  EXPECT_SAYS(answer_to_file(legacy(objects, {{"0", 3, four_floats()}})),
              "has 3 elements, its tensors need 4");
  EXPECT_SAYS(answer_to_file(legacy(objects, {{"0", -4, four_floats()}})),
              "has -4 elements, its tensors need 4");
  EXPECT_SAYS(answer_to_file(legacy(objects, {{"0", 4, four_floats().substr(1)}})),
              "storage \"0\" has 16 bytes, but only 15 follow (truncated?)");
  EXPECT_SAYS(answer_to_file(legacy(objects, {{"0", 4, four_floats()}, {"0", 4, four_floats()}})),
              "is listed twice");
  EXPECT_SAYS(answer_to_file(legacy(objects, {{"0", 4, four_floats() + "!"}})),
              "1 bytes after the last storage belong to nothing");
  const std::string whole = legacy(objects, {{"0", 4, four_floats()}});
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_NE(answer_to_file(whole.substr(0, size)), "") << size;
}

TEST(HostileCheckpoint, OtherMachinesAndFilesAreNamed) {
  const std::string objects = pickle("}");
  EXPECT_SAYS(answer_to_file(legacy(objects, {}, dict({str("little_endian"), "\x89"}))),
              "big-endian machine");
  EXPECT_SAYS(answer_to_file(legacy(objects, {}, "]")), "its system is not described");
  EXPECT_SAYS(answer_to_members({{"m/data.pkl", objects}, {"m/byteorder", "big"}}),
              "byte order \"big\", needed little");
  EXPECT_SAYS(answer_to_members({{"m/data.pkl", objects}, {"m/byteorder", std::string(99, 'b')}}),
              "not a word");
  EXPECT_SAYS(answer_to_members({{"m/data.pkl", objects}, {"m/constants.pkl", objects}}),
              "a TorchScript program");
  EXPECT_SAYS(answer_to_members({{"readme", "hello"}}), "without a member NAME/data.pkl");
  EXPECT_SAYS(answer_to_members({{"a/data.pkl", objects}, {"b/data.pkl", objects}}), "several members");
  EXPECT_EQ(answer_to_members({{"m/data.pkl", objects}, {"m/byteorder", "little"}}), "");
  EXPECT_SAYS(answer_to_file(""), "not a PyTorch checkpoint");
  EXPECT_SAYS(answer_to_file("{\"a\": 1}"), "not a PyTorch checkpoint");
  EXPECT_SAYS(answer_to_file("PK\x03\x04"), "not a whole zip archive");
}

TEST(HostileCheckpoint, DamagedAndCompressedArchivesAreRefused) {
  const std::string objects = pickle(dict({str("x"), kGood}));
  const Members members = {{"m/data.pkl", objects}, {"m/data/0", four_floats()}};
  EXPECT_EQ(answer_to_members(members), "");
  // A gigabyte of zeros in a megabyte.
  EXPECT_SAYS(
      answer_to_members({{"m/data.pkl", objects}, {"m/data/0", std::string(1 << 20, '\0')}}, ZIP_CM_DEFLATE),
      "is compressed or encrypted");
  const TemporaryFolder folder;
  write_zip(folder / "a.pt", members);
  std::string content = read_file(folder / "a.pt");
  for (size_t size = 0; size < content.size(); ++size)
    EXPECT_NE(answer_to_file(content.substr(0, size)), "") << size;
  // One bit of a storage: opening does not read it, reading finds it.
  content[content.find(four_floats()) + 5] ^= 1;
  write(folder / "a.pt", content);
  const TorchFile file(folder / "a.pt");
  EXPECT_ERROR(file.read("x"), (folder / "a.pt") + ": member \"m/data/0\" is damaged: CRC error");
  EXPECT_ERROR(file.verify(), "is damaged");
}

}  // namespace
}  // namespace lf
