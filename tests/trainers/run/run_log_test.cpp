// The run log: what a crash, a full disk and a resume leave of it, and numbers that come back bit for bit.
#include "trainers/run/run_log.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <bit>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>

#include "core/check.h"

namespace lf {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

class RunLogTest : public testing::Test {
 protected:
  RunLogTest() {
    folder_ = std::filesystem::temp_directory_path() / ("longform_run_log_" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
    path_ = (folder_ / kRunLogName).string();
    std::filesystem::remove(path_);
  }
  ~RunLogTest() override { std::filesystem::remove_all(folder_); }

  std::string content() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void put(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }

  // The message of the Error that the action throws.
  template <class Action>
  static std::string error_of(Action action) {
    try {
      action();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }

  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(RunLogTest, WritesOneObjectPerLineInTheGivenOrder) {
  RunLog log(path_);
  log.write({{"event", "step"}, {"step", 1}, {"loss", 0.1}});
  log.write({{"event", "validation"}, {"bits_per_character", 2.5}});
  EXPECT_EQ(content(),
            "{\"event\":\"step\",\"step\":1,\"loss\":0.1}\n{\"event\":\"validation\",\"bits_per_character\":"
            "2.5}\n");
  EXPECT_EQ(log.bytes(), static_cast<int64_t>(content().size()));
}

TEST_F(RunLogTest, DoublesComeBackBitForBit) {
  std::vector<double> values = {
      0.0,  -0.0, 0.1, 1.0 / 3, 5e-324, 2.2250738585072014e-308, 1.7976931348623157e308, 9007199254740993.0,
      -1e22};
  uint64_t bits = 88172645463325252ull;  // xorshift: doubles of every exponent
  while (values.size() < 20000) {
    bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
    const double value = std::bit_cast<double>(bits);
    if (std::isfinite(value)) values.push_back(value);
  }
  RunLog(path_).write({{"values", values}});
  const std::vector<LogRecord> records = read_run_log(path_);
  ASSERT_EQ(records.size(), 1u);
  const json& read = records[0].fields["values"];
  ASSERT_EQ(read.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint64_t>(log_number(read[i])), std::bit_cast<uint64_t>(values[i])) << values[i];
  }
}

TEST_F(RunLogTest, NonFiniteNumbersAreNamedAtAnyDepth) {
  const double infinity = std::numeric_limits<double>::infinity();
  RunLog(path_).write({{"loss", std::nan("")}, {"nested", {{"high", infinity}, {"list", {1.0, -infinity}}}}});
  EXPECT_EQ(content(), "{\"loss\":\"nan\",\"nested\":{\"high\":\"inf\",\"list\":[1.0,\"-inf\"]}}\n");
  const json fields = read_run_log(path_)[0].fields;
  EXPECT_TRUE(std::isnan(log_number(fields["loss"])));
  EXPECT_EQ(log_number(fields["nested"]["high"]), infinity);
  EXPECT_EQ(log_number(fields["nested"]["list"][1]), -infinity);
  EXPECT_THROW(log_number("infinite"), Error);
  EXPECT_THROW(log_number(nullptr), Error);
}

TEST_F(RunLogTest, ATornLastLineIsDroppedOnOpening) {
  // The third torn line is longer than the block in which the last newline is searched.
  for (const std::string& torn :
       {std::string("{\"step\":"), std::string("{\"step\":3}"), std::string(200000, 'x')}) {
    put("{\"step\":1}\n{\"step\":2}\n" + torn);
    EXPECT_EQ(read_run_log(path_).size(), 2u);
    RunLog log(path_);
    EXPECT_EQ(content(), "{\"step\":1}\n{\"step\":2}\n");
    log.write({{"step", 3}});
    EXPECT_EQ(content(), "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
  }
  put("{\"step");
  EXPECT_EQ(RunLog(path_).bytes(), 0);
}

TEST_F(RunLogTest, AResumedLogEqualsAnUninterruptedOne) {
  const auto write_steps = [](RunLog& log, int from, int to) {
    for (int step = from; step <= to; ++step) log.write({{"step", step}, {"loss", 1.0 / step}});
  };
  std::string uninterrupted;
  {
    RunLog log(path_);
    write_steps(log, 1, 9);
    uninterrupted = content();
  }
  std::filesystem::remove(path_);
  int64_t at_checkpoint = 0;
  {
    RunLog log(path_);
    write_steps(log, 1, 4);
    log.sync();
    at_checkpoint = log.bytes();
    write_steps(log, 5, 7);
  }
  std::ofstream(path_, std::ios::app) << "{\"step\":8,\"lo";
  RunLog log(path_);
  log.truncate_to(at_checkpoint);
  EXPECT_EQ(log.bytes(), at_checkpoint);
  write_steps(log, 5, 9);
  EXPECT_EQ(content(), uninterrupted);
  log.truncate_to(0);
  EXPECT_EQ(content(), "");
}

TEST_F(RunLogTest, RefusesALengthThatIsNotTheLogsOwn) {
  put("{\"step\":1}\n");
  RunLog log(path_);
  EXPECT_NE(error_of([&] {
              log.truncate_to(12);
            }).find("has 11 bytes, but the checkpoint was saved when it had 12"),
            std::string::npos);
  EXPECT_NE(error_of([&] { log.truncate_to(5); }).find("no line ends at byte 5"), std::string::npos);
  EXPECT_THROW(log.truncate_to(-1), Error);
  EXPECT_EQ(content(), "{\"step\":1}\n");
}

TEST_F(RunLogTest, AFullDiskKeepsTheLinesBeforeAndNamesTheFile) {
  RunLog log(path_);
  log.write({{"step", 1}});
  const std::string before = content();
  // A limit on the size of files fails a write after part of it, just as a full disk does.
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit limit = {before.size() + 5, old_limit.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  const std::string message = error_of([&] { log.write({{"step", 2}}); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);

  EXPECT_NE(message.find(path_), std::string::npos) << message;
  EXPECT_EQ(content(), before);
  EXPECT_EQ(log.bytes(), static_cast<int64_t>(before.size()));
  log.write({{"step", 2}});
  EXPECT_EQ(content(), before + "{\"step\":2}\n");
}

TEST_F(RunLogTest, DamageIsNamedByFileAndLine) {
  for (const char* damaged : {"{\"step\":2,}", "[1, 2]", "", "\xff\xfe"}) {
    put(std::string("{\"step\":1}\n") + damaged + "\n{\"step\":3}\n");
    const std::string message = error_of([&] { read_run_log(path_); });
    EXPECT_NE(message.find(path_ + ":2:"), std::string::npos) << message;
  }
  EXPECT_NE(error_of([&] { read_run_log((folder_ / "absent").string()); }).find("absent"), std::string::npos);
  EXPECT_THROW(read_run_log(folder_.string()), Error);
  EXPECT_THROW(RunLog(folder_.string()), Error);
  EXPECT_THROW(RunLog((folder_ / "no" / "such.jsonl").string()), Error);
}

TEST_F(RunLogTest, RecordsMustBeObjectsAndTextIsAlwaysValid) {
  RunLog log(path_);
  EXPECT_THROW(log.write(ordered_json::array({1, 2})), Error);
  log.write({{"path", "bad \xff byte, \"quote\"\nnewline"}});
  EXPECT_EQ(read_run_log(path_)[0].fields["path"], "bad \xef\xbf\xbd byte, \"quote\"\nnewline");
}

}  // namespace
}  // namespace lf
