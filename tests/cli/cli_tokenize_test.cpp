// longform tokenize as a user runs it: documents, records, lines, decoding, errors with file:line.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "data/tokenizer/byte_level_tokenizer.h"
#include "tests/data/documents/document_input.h"
#include "tests/data/tokenizer/tokenizer_cases.h"
#include "tests/program.h"

namespace lf {
namespace {

using nlohmann::json;

class CliTokenize : public ::testing::Test {
 protected:
  // Exit code 0 and nothing on standard error; the lines of standard output.
  std::vector<std::string> run_well(const std::vector<std::string>& more, const std::string& input = "") {
    const ProgramResult result = run(more, input);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return lines_of(result.out);
  }
  ProgramResult run(const std::vector<std::string>& more, const std::string& input = "") {
    std::vector<std::string> command = {"tokenize", kTokenizerFolder};
    command.insert(command.end(), more.begin(), more.end());
    return program_.run(command, input);
  }
  void refused(const std::vector<std::string>& more, int code, const std::string& message) {
    const ProgramResult result = run(more);
    EXPECT_EQ(result.code, code);
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err.find(message), std::string::npos) << result.err;
    EXPECT_EQ(lines_of(result.err).size(), 1u) << result.err;
  }
  std::string path(const std::string& name) const { return program_ / name; }

  Program program_;
  const ByteLevelTokenizer tokenizer_{kTokenizerFolder};
};

TEST_F(CliTokenize, AFileIsOneDocument) {
  program_.write("sea.txt", "The sea,\nthe <mask> sea.\n");
  const auto lines = run_well({path("sea.txt")});
  ASSERT_EQ(lines.size(), 1u);
  const json record = json::parse(lines[0]);
  EXPECT_EQ(record["id"], "sea.txt");
  EXPECT_EQ(record["ids"], tokenizer_.encode("The sea,\nthe <mask> sea.\n"));
  EXPECT_EQ(run_well({"-"}, "The sea,\nthe <mask> sea.\n")[0], "{\"id\":\"-\"" + lines[0].substr(15));
  const json bare = json::parse(run_well({path("sea.txt"), "--no-special-tokens"})[0]);
  EXPECT_EQ(bare["ids"], tokenizer_.encode("The sea,\nthe <mask> sea.\n", false));
  const json kept = json::parse(run_well({path("sea.txt"), "--mask-keeps-space"})[0]);
  EXPECT_EQ(kept["ids"].size(), record["ids"].size() + 1);
  const json prefixed = json::parse(run_well({path("sea.txt"), "--add-prefix-space"})[0]);
  EXPECT_EQ(prefixed["ids"], tokenizer_.encode(" The sea,\nthe <mask> sea.\n"));
}

// As a shell's <(...) names one.
TEST_F(CliTokenize, APipeIsRead) {
  const std::string pipe = path("pipe");
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  std::thread writer([&] { std::ofstream(pipe) << "The sea,\nthe <mask> sea.\n"; });
  const auto lines = run_well({pipe});
  writer.join();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(json::parse(lines[0])["ids"], tokenizer_.encode("The sea,\nthe <mask> sea.\n"));
}

TEST_F(CliTokenize, EmptyFiles) {
  program_.write("empty.txt", "");
  EXPECT_EQ(run_well({path("empty.txt")}),
            (std::vector<std::string>{"{\"id\":\"empty.txt\",\"ids\":[0,2]}"}));
  EXPECT_TRUE(run_well({path("empty.txt"), "--lines"}).empty());
  EXPECT_EQ(run_well({path("empty.txt"), "--lines", "--json"})[0],
            "{\"records\":[],\"vocabulary\":2048,\"documents\":0,\"bytes\":0,\"tokens\":0}");
  program_.write("empty.jsonl", "\n");
  refused({path("empty.jsonl")}, 1, "empty.jsonl holds no record");
}

TEST_F(CliTokenize, LinesAreDocuments) {
  program_.write("lines.txt", "the sea\n\n a \r\nlast");
  const auto lines = run_well({path("lines.txt"), "--lines"});
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(json::parse(lines[0]), (json{{"id", 1}, {"ids", tokenizer_.encode("the sea")}}));
  EXPECT_EQ(json::parse(lines[1]), (json{{"id", 2}, {"ids", {0, 2}}}));
  EXPECT_EQ(json::parse(lines[2]), (json{{"id", 3}, {"ids", tokenizer_.encode(" a ")}}));
  EXPECT_EQ(json::parse(lines[3]), (json{{"id", 4}, {"ids", tokenizer_.encode("last")}}));
}

TEST_F(CliTokenize, Records) {
  program_.write("r.jsonl",
                 "{\"id\":\"x\",\"text\":\"the sea\",\"label\":3}\n\n"
                 "{\"id\":7,\"text\":\"who\",\"text_pair\":\"\"}\n");
  const auto lines = run_well({path("r.jsonl")});
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(json::parse(lines[0]), (json{{"id", "x"}, {"ids", tokenizer_.encode("the sea")}}));
  EXPECT_EQ(json::parse(lines[1]), (json{{"id", 7}, {"ids", tokenizer_.encode_pair("who", "")}}));
  EXPECT_EQ(run_well({"-", "--jsonl"}, read_file(path("r.jsonl"))), lines);
  program_.write("R.JSONL.GZ", gzipped(read_file(path("r.jsonl"))));
  EXPECT_EQ(run_well({path("R.JSONL.GZ")}), lines) << "by what is packed";

  const auto whole = run_well({path("r.jsonl"), "--json"});
  ASSERT_EQ(whole.size(), 1u);
  const json result = json::parse(whole[0]);
  EXPECT_EQ(result["records"], (json{json::parse(lines[0]), json::parse(lines[1])}));
  EXPECT_EQ(result["documents"], 2);
  EXPECT_EQ(result["tokens"], result["records"][0]["ids"].size() + result["records"][1]["ids"].size());
  EXPECT_EQ(result["vocabulary"], 2048);
}

// More documents than one batch or thread takes, in their order.
TEST_F(CliTokenize, OrderIsKept) {
  std::string content;
  for (int i = 0; i < 5000; ++i) content += std::string(static_cast<size_t>(i * 37 % 101), 'a') + "\n";
  program_.write("many.txt", content);
  const ProgramResult result =
      program_.run({"tokenize", kTokenizerFolder, path("many.txt"), "--lines"}, "", {"OMP_NUM_THREADS=4"});
  const auto lines = lines_of(result.out);
  ASSERT_EQ(lines.size(), 5000u);
  for (int i = 0; i < 5000; ++i) {
    const json record = json::parse(lines[static_cast<size_t>(i)]);
    ASSERT_EQ(record["id"], i + 1);
    ASSERT_EQ(record["ids"], tokenizer_.encode(std::string(static_cast<size_t>(i * 37 % 101), 'a')));
  }
}

TEST_F(CliTokenize, DecodeIsTheInverse) {
  program_.write("r.jsonl",
                 "{\"id\":\"x\",\"text\":\"the \\u00e9 sea\\n\"}\n{\"id\":2,\"text\":\" <mask>\"}\n");
  const ProgramResult ids = run({path("r.jsonl"), "--mask-keeps-space"});
  program_.write("ids.jsonl", ids.out);
  const auto texts = run_well({path("ids.jsonl"), "--decode"});
  EXPECT_EQ(texts[0], "{\"id\":\"x\",\"text\":\"<s>the é sea\\n</s>\"}");
  EXPECT_EQ(texts[1], "{\"id\":2,\"text\":\"<s> <mask></s>\"}");
  const auto bare = run_well({path("ids.jsonl"), "--decode", "--no-special-tokens"});
  EXPECT_EQ(bare[0], "{\"id\":\"x\",\"text\":\"the é sea\\n\"}");
  program_.write("half.jsonl", "{\"id\":1,\"ids\":[176]}\n");
  EXPECT_EQ(run_well({path("half.jsonl"), "--decode"})[0], "{\"id\":1,\"text\":\"\uFFFD\"}");
}

TEST_F(CliTokenize, WarnsOfBytesThatAreNotText) {
  program_.write("latin.txt", "good\ncaf\xE9\nbad \xFF\n");
  const ProgramResult whole = run({path("latin.txt")});
  EXPECT_EQ(whole.code, 0);
  EXPECT_EQ(whole.err, "warning: " + path("latin.txt") + ":2:4: not UTF-8; read as U+FFFD\n");
  const ProgramResult lines = run({path("latin.txt"), "--lines"});
  EXPECT_EQ(lines.err, "warning: " + path("latin.txt") +
                           ":2:4: not UTF-8; read as U+FFFD; 2 documents have such bytes\n");
}

TEST_F(CliTokenize, Refusals) {
  const auto record_refused = [&](const std::string& line, const std::string& message, bool decode = false) {
    program_.write("bad.jsonl", "{\"id\":1,\"text\":\"a\",\"ids\":[]}\n" + line + "\n");
    std::vector<std::string> arguments = {path("bad.jsonl")};
    if (decode) arguments.push_back("--decode");
    refused(arguments, 1, "bad.jsonl:2" + (message.starts_with(':') ? message : ": " + message));
  };
  record_refused("{", ":2: not valid JSON");
  record_refused("[]", "a JSON array, needed a record {\"id\", \"text\"}");
  record_refused("{\"id\":1}", "needed a record {\"id\", \"text\"}");
  record_refused("{\"text\":\"a\"}", "needed a record {\"id\", \"text\"}");
  record_refused("{\"id\":null,\"text\":\"a\"}", "id must be a text or a whole number, not null");
  record_refused("{\"id\":1,\"text\":3}", "text must be a text, not number");
  record_refused("{\"id\":1,\"text\":\"a\",\"text_pair\":3}", "text_pair must be a text, not number");
  record_refused("{\"id\":1,\"text\":\"\xFF\"}", ":17: not valid JSON");
  record_refused("{\"id\":1,\"text\":\"a\"}", "needed a record {\"id\", \"ids\"}", true);
  record_refused("{\"id\":1,\"ids\":3}", "ids is number, needed a list of whole numbers", true);
  record_refused("{\"id\":1,\"ids\":[2048]}", "ids holds 2048, needed whole numbers from 0 to 2047", true);
  record_refused("{\"id\":1,\"ids\":[-1]}", "ids holds -1, needed", true);
  record_refused("{\"id\":1,\"ids\":[[1]]}", "ids holds [1], needed", true);
  refused({path("nowhere.txt")}, 1, "nowhere.txt");
  refused({path("bad.jsonl"), "--lines", "--decode"}, 2, "--lines");
  refused({}, 2, "file");
  const ProgramResult result = program_.run({"tokenize", path("nowhere"), path("bad.jsonl")});
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.err, "error: " + path("nowhere") + " does not exist\n");
}

}  // namespace
}  // namespace lf
