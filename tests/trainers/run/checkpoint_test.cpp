// Checkpoints: what is loaded is what was saved, damage is named and survived, old ones go and the right ones
// stay.
#include "trainers/run/checkpoint.h"

#include <bit>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "core/hash.h"
#include "tests/trainers/run/checkpoint_run.h"

namespace lf {
namespace {

namespace fs = std::filesystem;
using Names = std::vector<std::string>;

void flip_byte(const std::string& path, int64_t offset) {
  std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
  file.seekg(offset);
  const auto byte = static_cast<char>(file.get() ^ 0x10);
  file.seekp(offset);
  file.put(byte);
}

// Loads a run whose checkpoint 20 is damaged; it must stand at step 10. Returns the warnings as one text.
std::string fallback_warnings(const std::string& run) {
  std::vector<std::string> warnings;
  expect_step(load_checkpoint(run, warnings), 10);
  std::string result;
  for (const std::string& warning : warnings) result += warning + "\n";
  return result;
}

#define EXPECT_FALLBACK(run, part) EXPECT_PRED_FORMAT2(::testing::IsSubstring, part, fallback_warnings(run))

// A run with checkpoints 10 and 20.
class SavedRun {
 public:
  SavedRun() {
    save_step(path(), 10);
    save_step(path(), 20);
  }
  const std::string& path() const { return folder_.path(); }
  std::string operator/(const std::string& name) const { return folder_ / name; }
  // A file of checkpoint 20.
  std::string file(const std::string& name) const { return folder_ / ("checkpoints/step-000000020/" + name); }

 private:
  TemporaryFolder folder_;
};

TEST(Checkpoint, RoundTripIsBitExact) {
  const TemporaryFolder run;
  const SavedCheckpoint saved = save_step(run.path(), 123, {.is_best = true});
  EXPECT_EQ(saved.folder, run / "checkpoints/step-000000123");
  EXPECT_EQ(saved.warnings, Names());
  EXPECT_EQ(entries(run.path()), (Names{"best", "checkpoints", "latest"}));
  EXPECT_EQ(entries(saved.folder), (Names{"manifest.json", "model.safetensors", "optimizer.safetensors"}));
  EXPECT_EQ(read_file(run / "latest"), "step-000000123\n");
  int64_t bytes = 0;
  for (const auto& entry : fs::directory_iterator(saved.folder))
    bytes += static_cast<int64_t>(entry.file_size());
  EXPECT_EQ(saved.bytes, bytes);
  expect_clean_load(run.path(), 123);
  expect_step(open_checkpoint(saved.folder), 123);
  EXPECT_EQ(latest_checkpoint(run.path()), saved.folder);
  EXPECT_EQ(best_checkpoint(run.path()), saved.folder);
}

TEST(Checkpoint, StateKeepsEveryKindOfNumber) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const TemporaryFolder run;
  const nlohmann::ordered_json state = {{"z", 0.1},
                                        {"a", {1e-310, -0.0, 3.0, 1.7976931348623157e308}},
                                        {"best", kInfinity},
                                        {"history", {{{"loss", -kInfinity}}, {{"loss", 2.5}}}},
                                        {"nan", std::numeric_limits<double>::quiet_NaN()},
                                        {"large", std::numeric_limits<uint64_t>::max()},
                                        {"negative", std::numeric_limits<int64_t>::min()},
                                        {"text", "quote \" line\n \u00e9 {not_finite}"},
                                        {"nothing", nullptr},
                                        {"empty", nlohmann::ordered_json::array()}};
  save_checkpoint(run.path(), 1, tensors_at(1), state);
  std::vector<std::string> warnings;
  nlohmann::ordered_json loaded = load_checkpoint(run.path(), warnings).state;
  EXPECT_TRUE(std::isnan(loaded["nan"].get<double>()));
  EXPECT_TRUE(std::signbit(loaded["a"][1].get<double>()));
  EXPECT_TRUE(loaded["a"][2].is_number_float());
  loaded["nan"] = nullptr;
  nlohmann::ordered_json expected = state;
  expected["nan"] = nullptr;
  EXPECT_EQ(loaded, expected);
  EXPECT_EQ(loaded.begin().key(), "z");
}

TEST(Checkpoint, BadArgumentsAreRefused) {
  const TemporaryFolder run;
  const auto files = tensors_at(1);
  const auto state = state_at(1);
  EXPECT_ERROR(save_checkpoint(run.path(), -1, files, state), "step -1 is negative");
  EXPECT_ERROR(save_checkpoint(run.path(), 1, {}, state), "no files given");
  EXPECT_ERROR(save_checkpoint(run.path(), 1, files, {1, 2}), "the state must be an object");
  EXPECT_ERROR(save_checkpoint(run.path(), 1, files, state, {.keep_last = 0}), "keep_last is 0");
  for (const char* name : {"", "a/b", "..", ".hidden"}) {
    EXPECT_ERROR(save_checkpoint(run.path(), 1, {{name, {}}}, state), "is not the name of a file");
  }
  EXPECT_ERROR(save_checkpoint(run.path(), 1, {{"a", {}}, {"a", {}}}, state), "two files are called a");
  EXPECT_ERROR(save_checkpoint(run.path(), 1, {{"manifest.json", {}}}, state), "two files are called");
  EXPECT_EQ(entries(run.path()), Names());
  EXPECT_ERROR(save_checkpoint(run.path(), 1, files, {{"text", "\xff"}}), "not saved: checkpoint state: ");
  EXPECT_EQ(saved_names(run.path()), Names());
}

TEST(Checkpoint, NothingToLoadIsAnError) {
  const TemporaryFolder run;
  std::vector<std::string> warnings;
  EXPECT_ERROR(load_checkpoint(run.path(), warnings), run.path() + " holds no checkpoint");
  EXPECT_EQ(checkpoint_folders(run.path()), Names());
  EXPECT_EQ(latest_checkpoint(run.path()), std::nullopt);
}

// One flipped bit at many places of every file: always found, and the file always named.
TEST(Checkpoint, FlippedByteIsFoundAndFallenBackFrom) {
  const SavedRun run;
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "manifest.json"}) {
    const std::string path = run.file(name), original = read_file(path);
    const auto size = static_cast<int64_t>(original.size());
    for (int64_t offset = 0; offset < size; offset += offset < 300 || size - offset < 100 ? 7 : size / 20) {
      flip_byte(path, offset);
      EXPECT_FALLBACK(run.path(), path) << offset;
      std::ofstream(path, std::ios::binary) << original;
    }
  }
  expect_clean_load(run.path(), 20);
}

TEST(Checkpoint, DamagedTensorIsNamed) {
  const SavedRun run;
  const std::string path = run.file("model.safetensors");
  const SafetensorsFile file(path);
  flip_byte(path, file.info("bias").begin + 1);
  EXPECT_FALLBACK(run.path(), path + " is damaged in tensor bias: the content does not have the hash");
  EXPECT_FALLBACK(run.path(), "using " + (run / "checkpoints/step-000000010") + " instead");
  flip_byte(path, file.info("weight").end - 1);
  EXPECT_FALLBACK(run.path(), path + " is damaged in tensor weight, bias:");
  EXPECT_ERROR(open_checkpoint(run / "checkpoints/step-000000020"), path + " is damaged in tensor");
}

TEST(Checkpoint, DamagedHeaderIsNamed) {
  const SavedRun run;
  const std::string path = run.file("model.safetensors"), original = read_file(path);
  flip_byte(path, 8);
  EXPECT_FALLBACK(run.path(), path + " is damaged in its header: ");
  std::string renamed = original;
  renamed.replace(renamed.find("bias"), 4, "bios");
  std::ofstream(path, std::ios::binary) << renamed;
  EXPECT_FALLBACK(run.path(), path + " is damaged in tensor bias:");
  std::string metadata = original;
  metadata.replace(metadata.find("\"pt\""), 4, "\"pT\"");
  std::ofstream(path, std::ios::binary) << metadata;
  EXPECT_FALLBACK(run.path(), path + " is damaged in the header:");
}

TEST(Checkpoint, TruncatedAndMissingFilesAreFallenBackFrom) {
  for (const char* name : {"model.safetensors", "optimizer.safetensors", "manifest.json"}) {
    const SavedRun run;
    const std::string path = run.file(name);
    for (const uintmax_t size : {fs::file_size(path) - 1, fs::file_size(path) / 2, uintmax_t{0}}) {
      fs::resize_file(path, size);
      EXPECT_FALLBACK(run.path(), path) << size;
      EXPECT_FALLBACK(run.path(), "truncated") << size;
    }
    fs::remove(path);
    EXPECT_FALLBACK(run.path(), "cannot open " + path + ": No such file");
    fs::create_directory(path);
    EXPECT_FALLBACK(run.path(), path);
  }
  const SavedRun run;
  fs::remove_all(run / "checkpoints/step-000000020");
  EXPECT_FALLBACK(run.path(), run.file("manifest.json"));
}

TEST(Checkpoint, LongerFileIsRefused) {
  const SavedRun run;
  const uintmax_t size = fs::file_size(run.file("model.safetensors"));
  std::ofstream(run.file("model.safetensors"), std::ios::app) << "x";
  EXPECT_FALLBACK(run.path(), text("model.safetensors has ", size + 1, " bytes, saved were ", size));
}

TEST(Checkpoint, MissingOrDamagedLatestMeansTheNewest) {
  const SavedRun run;
  const auto load_warning = [&] {
    std::vector<std::string> warnings;
    expect_step(load_checkpoint(run.path(), warnings), 20);
    return warnings.empty() ? "" : warnings[0];
  };
  const std::string expected = (run / "latest") + " is missing or does not name a checkpoint";
  for (const char* content : {"", "step-20\n", "step-000000020 \n", "../step-000000020", "step--00000020",
                              "step-99999999999999999999\n", "\xff\xfe"}) {
    std::ofstream(run / "latest") << content;
    EXPECT_EQ(load_warning(), expected) << content;
  }
  fs::remove(run / "latest");
  EXPECT_EQ(load_warning(), expected);
  std::ofstream(run / "latest") << "step-000000020";  // written by hand, without the end of the line
  EXPECT_EQ(load_warning(), "");
}

// `latest` decides; a newer checkpoint is used only when none before it is good.
TEST(Checkpoint, FallsBackToOlderBeforeNewer) {
  const SavedRun run;
  save_step(run.path(), 30, {.keep_last = 9});
  std::ofstream(run / "latest") << "step-000000020\n";
  expect_clean_load(run.path(), 20);
  flip_byte(run.file("model.safetensors"), 5000);
  EXPECT_FALLBACK(run.path(), run.file("model.safetensors"));
  flip_byte(run / "checkpoints/step-000000010/optimizer.safetensors", 5000);
  std::vector<std::string> warnings;
  expect_step(load_checkpoint(run.path(), warnings), 30);
  EXPECT_EQ(warnings.size(), 3);
  flip_byte(run / "checkpoints/step-000000030/manifest.json", 50);
  warnings.clear();
  const std::string error = error_of([&] { load_checkpoint(run.path(), warnings); });
  for (const char* part :
       {"no checkpoint is whole", "20/model.safetensors", "10/optimizer.safetensors", "30/manifest.json"}) {
    EXPECT_PRED_FORMAT2(::testing::IsSubstring, part, error);
  }
  EXPECT_EQ(warnings, Names());
}

TEST(Checkpoint, CopiedFolderKeepsItsMeaning) {
  const SavedRun run;
  fs::rename(run / "checkpoints/step-000000020", run / "mine");
  expect_step(open_checkpoint(run / "mine"), 20);
  fs::rename(run / "mine", run / "checkpoints/step-000000021");
  EXPECT_ERROR(open_checkpoint(run / "checkpoints/step-000000021"), "holds the checkpoint of step 20");
}

TEST(Checkpoint, ManifestOfAnotherVersionIsRefused) {
  const SavedRun run;
  std::string content = read_file(run.file("manifest.json"));
  content.replace(content.find("\"version\": 1"), 12, "\"version\": 2");
  const size_t part = content.rfind(",\n \"manifest_xxh3_128\"");
  const std::string hash = content_hash({reinterpret_cast<const uint8_t*>(content.data()), part});
  content.replace(content.size() - 36, 32, hash);
  std::ofstream(run.file("manifest.json")) << content;
  EXPECT_FALLBACK(run.path(), "it has version 2, this program reads version 1");
}

TEST(Checkpoint, InspectionListsEverything) {
  const SavedRun run;
  CheckpointReport report = inspect_checkpoint(run / "checkpoints/step-000000020");
  EXPECT_EQ(report.step, 20);
  EXPECT_EQ(report.state, state_at(20));
  EXPECT_EQ(report.problems, Names());
  ASSERT_EQ(report.files.size(), 2);
  EXPECT_EQ(report.files[0].name, "model.safetensors");
  EXPECT_EQ(report.files[0].bytes, static_cast<int64_t>(fs::file_size(run.file("model.safetensors"))));
  EXPECT_EQ(report.files[0].hash, content_hash_of_file(run.file("model.safetensors")).hash);
  EXPECT_EQ(report.files[0].metadata, (SafetensorsMetadata{{"format", "pt"}}));
  ASSERT_EQ(report.files[0].tensors.size(), 2);
  EXPECT_EQ(report.files[0].tensors[1].name, "bias");
  EXPECT_EQ(report.files[0].tensors[0].shape, (Shape{50, 100}));
  fs::remove(run.file("model.safetensors"));
  flip_byte(run.file("optimizer.safetensors"), 5000);
  report = inspect_checkpoint(run / "checkpoints/step-000000020");
  EXPECT_EQ(report.problems.size(), 2);
  EXPECT_EQ(report.files.size(), 2);
  EXPECT_EQ(inspect_checkpoint(run / "absent").problems.size(), 1);
}

TEST(Checkpoint, RetentionKeepsTheLastAndTheBest) {
  const TemporaryFolder run;
  for (int64_t step = 1; step <= 6; ++step) {
    save_step(run.path(), step, {.keep_last = 2, .keep_best = true, .is_best = step == 2 || step == 3});
  }
  EXPECT_EQ(saved_names(run.path()), (Names{"step-000000003", "step-000000005", "step-000000006"}));
  EXPECT_EQ(best_checkpoint(run.path()), run / "checkpoints/step-000000003");
  expect_step(open_checkpoint(*best_checkpoint(run.path())), 3);
  save_step(run.path(), 7, {.keep_last = 1, .keep_best = false, .is_best = true});
  EXPECT_EQ(saved_names(run.path()), (Names{"step-000000007"}));
  EXPECT_EQ(best_checkpoint(run.path()), std::nullopt);
  expect_clean_load(run.path(), 7);
}

// After a return to an older checkpoint the abandoned future must not win over the new past.
TEST(Checkpoint, LaterStepsOfAnAbandonedFutureGo) {
  const TemporaryFolder run;
  for (const int64_t step : {10, 20, 30, 40})
    save_step(run.path(), step, {.keep_last = 9, .is_best = step == 40});
  save_step(run.path(), 25, {.keep_last = 2});
  EXPECT_EQ(saved_names(run.path()), (Names{"step-000000020", "step-000000025", "step-000000040"}));
  expect_clean_load(run.path(), 25);
}

TEST(Checkpoint, WrecksTakeNoPlaceOfGoodOnes) {
  const TemporaryFolder run;
  for (const int64_t step : {10, 20, 30}) save_step(run.path(), step, {.keep_last = 9});
  fs::remove(run / "checkpoints/step-000000020/manifest.json");
  save_step(run.path(), 40, {.keep_last = 3});
  EXPECT_EQ(saved_names(run.path()), (Names{"step-000000010", "step-000000030", "step-000000040"}));
}

TEST(Checkpoint, SavingAgainReplacesTheDamagedOne) {
  const SavedRun run;
  flip_byte(run.file("model.safetensors"), 5000);
  EXPECT_FALLBACK(run.path(), "tensor weight");
  save_step(run.path(), 20);
  expect_clean_load(run.path(), 20);
  EXPECT_EQ(saved_names(run.path()), (Names{"step-000000010", "step-000000020"}));
}

TEST(Checkpoint, ForeignFilesAreLeftAlone) {
  const SavedRun run;
  std::ofstream(run / "checkpoints/notes.txt") << "mine";
  fs::create_directory(run / "checkpoints/step-5");
  save_step(run.path(), 30, {.keep_last = 1});
  EXPECT_EQ(saved_names(run.path()), (Names{"notes.txt", "step-000000030", "step-5"}));
}

}  // namespace
}  // namespace lf
