// longform prepare documents as a user runs it: what it reports and refuses, and that a killed preparation
// goes on where it was and ends with the same bytes.
#include <nlohmann/json.hpp>

#include <chrono>

#include "core/random.h"
#include "data/documents/document_tokenizer.h"
#include "tests/data/documents/document_input.h"
#include "tests/places.h"
#include "tests/program.h"

namespace lf {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kTokenizer = source_path("tests/golden/tiny_bpe");

class PrepareDocuments : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string lines;
    for (uint32_t i = 0; i < 40; ++i) lines += json_line(prose(3000, i));
    write_text(program_ / "books/many.jsonl.gz", gzipped(lines));
    write_text(program_ / "books/one.txt", prose(600'000, 100));
  }

  std::vector<std::string> command(const std::string& out) {
    return {"prepare",   "documents", program_ / "books", "--tokenizer", kTokenizer, "--out", program_ / out,
            "--threads", "2",         "--part-bytes",     "60000"};
  }
  ProgramResult prepare(const std::string& out, const std::vector<std::string>& more = {},
                        const std::vector<std::string>& variables = {}) {
    std::vector<std::string> all = command(out);
    all.insert(all.end(), more.begin(), more.end());
    return program_.run(all, "", variables);
  }

  std::string files_of(const std::string& out) {
    std::string all;
    for (const std::string& name : entries(program_ / out))
      all += name + read_file(program_ / out + "/" + name);
    return all;
  }

  Program program_;
};

TEST_F(PrepareDocuments, ReportsTheCorpus) {
  const ProgramResult result = prepare("out", {"--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  ASSERT_EQ(lines_of(result.out).size(), 1u);
  const json corpus = json::parse(result.out);
  EXPECT_EQ(corpus.at("kind"), "documents");
  EXPECT_EQ(corpus.at("tokenizer").at("vocabulary_size"), 341);
  EXPECT_EQ(corpus.at("tokenizer").at("special").at("mask"), 4);
  EXPECT_EQ(corpus.at("sources").size(), 2u);
  EXPECT_GT(corpus.at("train").at("tokens").get<int64_t>(), 200'000);
  EXPECT_EQ(json::parse(read_file(program_ / "out/documents.json")), corpus);
  for (const char* phase : {"checksum", "encode", "write"})
    EXPECT_NE(result.err.find(phase), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find('\r'), std::string::npos) << "a live line where there is no terminal";
  const ProgramResult inspected = program_.run({"inspect", program_ / "out", "--json"});
  EXPECT_EQ(json::parse(inspected.out).at("train"), corpus.at("train"));
  EXPECT_EQ(json::parse(inspected.out).at("problems"), json::array());
  const ProgramResult plain = prepare("plain", {"--paragraphs", "--validation", "0.1"});
  EXPECT_NE(plain.out.find("every paragraph encoded alone"), std::string::npos) << plain.out;
  EXPECT_NE(plain.out.find("validation"), std::string::npos);
}

// The ids are those of every document encoded whole, whatever it was cut into.
TEST_F(PrepareDocuments, IdsAreThoseOfWholeDocuments) {
  ASSERT_EQ(prepare("out").code, 0);
  const ByteLevelTokenizer tokenizer(kTokenizer);
  std::vector<int32_t> expected, found;
  for (const std::string& document : read_documents({program_ / "books"})) {
    const std::vector<int32_t> ids = tokenizer.encode(document, false);
    expected.insert(expected.end(), ids.begin(), ids.end());
    expected.push_back(2);
  }
  for (const char* name : {"train", "validation", "test"}) {
    const TokenFile file(program_ / "out/" + name + ".tokens");
    std::vector<int32_t> ids(static_cast<size_t>(file.count()));
    file.copy(0, ids);
    found.insert(found.end(), ids.begin(), ids.end());
  }
  EXPECT_TRUE(found == expected) << found.size() << " ids, expected " << expected.size();
}

TEST_F(PrepareDocuments, RefusesWithTheRightCode) {
  const auto refused = [&](const ProgramResult& result, int code, const std::string& part) {
    EXPECT_EQ(result.code, code) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(result.out, "");
  };
  refused(program_.run({"prepare", "documents", program_ / "books", "--out", program_ / "out"}), 2,
          "--tokenizer");
  refused(program_.run({"prepare", "documents", "--tokenizer", kTokenizer, "--out", program_ / "out"}), 2,
          "sources");
  refused(program_.run({"prepare"}), 2, "name enwik8, text8, bytes or documents");
  refused(program_.run({"prepare", "bytes", program_ / "books/one.txt"}), 2, "--out is required");
  refused(prepare("out", {"--test", "1.5"}), 2, "must be fractions above 0");
  refused(prepare("out", {"--test-source", program_ / "books/one.txt"}), 2, "is given twice");
  refused(program_.run({"prepare", "documents", program_ / "books", "--tokenizer", kTokenizer, "--out",
                        program_ / "out", "--threads", "-1"}),
          2, "-1 threads");
  refused(prepare("out", {"--test-source", program_ / "absent.txt"}), 1, "does not exist");
  write_text(program_ / "bad.jsonl", "{\"text\": \"a\"}\n{\"text\": }\n");
  refused(prepare("out", {"--test-source", program_ / "bad.jsonl"}), 1, "bad.jsonl:2:10: not valid JSON");
  EXPECT_FALSE(fs::exists(program_ / "out/documents.json"));
  refused(program_.run({"prepare", "documents", program_ / "books", "--tokenizer", program_ / "books",
                        "--out", program_ / "other"}),
          1, program_ / "books");
  EXPECT_FALSE(fs::exists(program_ / "other"));
}

TEST_F(PrepareDocuments, KilledAtEveryNamedPlace) {
  ASSERT_EQ(prepare("whole").code, 0);
  for (const char* place : {"documents.part:1", "documents.part:4", "documents.commit:1",
                            "documents.commit:2", "documents.commit:4", "documents.parts_removal"}) {
    SCOPED_TRACE(place);
    EXPECT_EQ(prepare("killed", {}, {std::string("LF_FAILPOINT=") + place}).code, 128 + SIGKILL);
    const ProgramResult result = prepare("killed");
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(files_of("killed") == files_of("whole"));
    fs::remove_all(program_ / "killed");
  }
  const ProgramResult full = prepare("killed", {}, {"LF_FAILPOINT=documents.part:3=enospc"});
  EXPECT_EQ(full.code, 1);
  EXPECT_NE(full.err.find("No space left on device"), std::string::npos) << full.err;
  EXPECT_EQ(entries(program_ / "killed/parts").size(), 2u) << "the parts before stay, the cut one does not";
  ASSERT_EQ(prepare("killed").code, 0);
  EXPECT_TRUE(files_of("killed") == files_of("whole"));
}

TEST_F(PrepareDocuments, KilledAtRandomMoments) {
  const auto start = std::chrono::steady_clock::now();
  ASSERT_EQ(prepare("whole").code, 0);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const RandomKey key{20261122, 0, 0};
  int kills = 0;
  for (uint64_t attempt = 0; attempt < 12; ++attempt) {
    std::vector<std::string> arguments = command("killed");
    arguments.insert(arguments.begin(), program_path());
    ChildProcess child(arguments, program_ / "output.txt");
    if (!child.ended_within(seconds * uniform(key, attempt))) {
      child.kill(SIGKILL);
      ++kills;
    }
    const int code = child.wait();
    ASSERT_TRUE(code == 0 || code == 128 + SIGKILL) << read_file(program_ / "output.txt");
    if (code != 0) continue;
    EXPECT_TRUE(files_of("killed") == files_of("whole"));
    fs::remove_all(program_ / "killed");
  }
  EXPECT_GT(kills, 3);
  ASSERT_EQ(prepare("killed").code, 0);
  EXPECT_TRUE(files_of("killed") == files_of("whole"));
}

}  // namespace
}  // namespace lf
