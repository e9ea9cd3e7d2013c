// Reading documents: every format, whole and damaged, and every line that is none is named.
#include <algorithm>

#include "data/documents/source.h"

#include "tests/data/archive_input.h"
#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

// Long texts are compared with EXPECT_TRUE: EXPECT_EQ would spend minutes on showing how they differ.
using Documents = std::vector<std::string>;

TEST(DocumentSource, ATextFileIsOneDocument) {
  const TemporaryFolder folder;
  const std::string content = "One line\n\n\xEF\xBB\xBF and \xF0\x9F\x98\x80 another\n";
  write_text(folder / "a.txt", content);
  EXPECT_EQ(read_documents({folder / "a.txt"}), Documents{content});
  write_text(folder / "a.txt.gz", gzipped(content));
  EXPECT_EQ(read_documents({folder / "a.txt.gz"}), Documents{content});
  write_text(folder / "empty.txt", "");
  EXPECT_EQ(read_documents({folder / "empty.txt"}), Documents{""});
}

TEST(DocumentSource, CharactersSurviveTheBordersOfChunks) {
  const TemporaryFolder folder;
  // Four bytes a character, shifted so that chunks of 1 MiB cut one after 1, 2 and 3 bytes.
  for (size_t shift = 0; shift < 4; ++shift) {
    std::string content(shift, 'x');
    while (content.size() < (2u << 20) + 100) content += "\xF0\x9F\x98\x80";
    write_text(folder / "a.txt", content);
    EXPECT_TRUE(read_documents({folder / "a.txt"}) == Documents{content}) << shift;
    DocumentReader reader(find_documents({folder / "a.txt"}).files.at(0));
    DocumentChunk chunk;
    ASSERT_TRUE(reader.next(chunk));
    EXPECT_FALSE(chunk.ends_document);
    EXPECT_LE(chunk.text.size(), 1u << 20);
    EXPECT_EQ((chunk.text.size() - shift) % 4, 0u) << "a character is cut";
    EXPECT_EQ(reader.bytes_read(), 1 << 20);
  }
}

TEST(DocumentSource, TextThatIsNotUtf8IsNamedWithItsLine) {
  const TemporaryFolder folder;
  write_text(folder / "a.txt", "first\nsecond\nth\xFFird\n");
  EXPECT_ERROR(read_documents({folder / "a.txt"}), "a.txt:3: not valid UTF-8");
  write_text(folder / "cut.txt", "first\nsecond \xE2\x82");
  EXPECT_ERROR(read_documents({folder / "cut.txt"}), "cut.txt:2: not valid UTF-8");
  // Behind a chunk's border, where what was read before counts lines as well.
  std::string content;
  for (int i = 0; i < 300000; ++i) content += "line\n";
  write_text(folder / "long.txt", content + "\xC0\xAF\n");
  EXPECT_ERROR(read_documents({folder / "long.txt"}), "long.txt:300001: not valid UTF-8");
}

TEST(DocumentSource, EveryLineOfJsonIsADocument) {
  const TemporaryFolder folder;
  const std::string lines =
      "{\"id\": 7, \"text\": \"one\\n\\u00e9 \\ud83d\\ude00\"}\n"
      "{\"text\": \"\", \"other\": [1, {\"text\": \"no\"}]}\r\n"
      "{\"text\": \"three\"}";
  const Documents expected = {"one\n\xC3\xA9 \xF0\x9F\x98\x80", "", "three"};
  write_text(folder / "a.jsonl", lines);
  EXPECT_EQ(read_documents({folder / "a.jsonl"}), expected);
  write_text(folder / "b.jsonl", lines + "\n");
  EXPECT_EQ(read_documents({folder / "b.jsonl"}), expected) << "a last line's end is no line";
  write_text(folder / "c.jsonl.gz", gzipped(lines));
  EXPECT_EQ(read_documents({folder / "c.jsonl.gz"}), expected);
  write_text(folder / "none.jsonl", "");
  EXPECT_EQ(read_documents({folder / "none.jsonl"}), Documents{});
  // Lines longer than what is read at once.
  const std::string book = prose(1'300'000, 1);
  write_text(folder / "books.jsonl.gz", gzipped(json_line(book) + json_line(book)));
  EXPECT_TRUE(read_documents({folder / "books.jsonl.gz"}) == (Documents{book, book}));
}

TEST(DocumentSource, LinesThatAreNoDocumentsAreNamed) {
  const TemporaryFolder folder;
  const auto fails = [&](const std::string& line, const std::string& part) {
    write_text(folder / "a.jsonl", "{\"text\": \"good\"}\n" + line + "\n{\"text\": \"good\"}\n");
    EXPECT_ERROR(read_documents({folder / "a.jsonl"}), (folder / "a.jsonl") + ":2:" + part);
  };
  fails("{\"text\": \"cut", "14: not valid JSON");
  fails("{\"text\": \"a\"} x", "15: not valid JSON");
  fails("{\"title\": \"a\"}", " no \"text\"");
  fails("{\"text\": 3}", " \"text\" is a JSON number");
  fails("{\"text\": null}", " \"text\" is a JSON null");
  fails("[\"text\"]", " a JSON array, needed one JSON object");
  fails("{\"text\": \"\xFF\"}", "11: not valid JSON");
  fails("{\"text\": \"\\ud83d\"}", "11: not valid JSON");
  fails(std::string(100'000, '['), " nested more than 32 deep");
}

TEST(DocumentSource, GzipIsReadWholeOrRefused) {
  const TemporaryFolder folder;
  const std::string content = prose(1'200'000, 2);
  const std::string packed = gzipped(content);
  const auto fails = [&](const std::string& bytes, const std::string& part) {
    write_text(folder / "a.txt.gz", bytes);
    EXPECT_ERROR(read_documents({folder / "a.txt.gz"}), part);
  };
  write_text(folder / "two.txt.gz", packed + gzipped("end"));
  EXPECT_TRUE(read_documents({folder / "two.txt.gz"}) == Documents{content + "end"});
  write_text(folder / "tape.txt.gz", packed + std::string(1000, '\0'));
  EXPECT_TRUE(read_documents({folder / "tape.txt.gz"}) == Documents{content});
  for (const size_t size : {packed.size() / 2, packed.size() - 1, packed.size() - 8, size_t{12}, size_t{2}})
    fails(packed.substr(0, size), "truncated gzip data");
  std::string flipped = packed;
  flipped[packed.size() / 2] ^= 4;
  fails(flipped, "a.txt.gz");  // gzip or UTF-8, whichever notices first
  flipped = packed;
  flipped[packed.size() - 6] ^= 4;
  fails(flipped, "damaged gzip data");
  fails(packed + "garbage", "7 bytes behind the gzip data that are none");
  fails("plain text", "not gzip data, though the name ends in .gz");
  fails("", "not gzip data");
}

TEST(DocumentSource, ArchivesAreReadMemberByMember) {
  const TemporaryFolder folder;
  const std::string book = prose(2'500'000, 3);
  const Members members = {{"b.txt", book},
                           {"notes.md", "left out"},
                           {"a/z.jsonl", "{\"text\": \"z1\"}\n{\"text\": \"z2\"}"},
                           {"a/empty.txt", ""},
                           {"none.jsonl", ""},
                           {"c.txt.gz", "left"},
                           {"last.txt", "\xC3\xA9"}};
  const Documents expected = {book, "z1", "z2", "", "\xC3\xA9"};
  std::filesystem::create_directories(folder / "all");
  for (const char* name : {"all/a.zip", "all/b.tar.gz", "all/c.tgz"}) {
    write_archive(folder / name, members);
    EXPECT_TRUE(read_documents({folder / name}) == expected) << name;
    const std::string shown = std::filesystem::path(name).filename();
    EXPECT_EQ(find_documents({folder / name}).left_out,
              (Documents{shown + ": notes.md", shown + ": c.txt.gz"}));
  }
  write_archive(folder / "all/other.zip", {{"notes.md", "a"}});
  const DocumentFiles found = find_documents({folder / "all"});
  EXPECT_EQ(found.files.size(), 3u);
  EXPECT_EQ(found.left_out.size(), 7u);
  EXPECT_EQ(found.left_out.back(), "other.zip");
  DocumentReader reader(found.files[0]);
  for (DocumentChunk chunk; reader.next(chunk);) EXPECT_LE(reader.bytes_read(), found.files[0].bytes);
  EXPECT_GT(reader.bytes_read(), found.files[0].bytes / 2);
}

TEST(DocumentSource, ArchivesThatCannotBeReadAreExplained) {
  const TemporaryFolder folder;
  for (const std::string kind : {"a.zip", "a.tar.gz"}) {
    const auto fails = [&](const Members& members, const std::string& part) {
      write_archive(folder / kind, members);
      EXPECT_ERROR(read_documents({folder / kind}), (folder / kind) + part);
    };
    fails({{"x.md", "a"}}, ": an archive without documents: no .txt or .jsonl file is in it");
    fails({{"x.txt", "a"}, {"y.txt", "one\ntwo \xFF"}}, ": y.txt:2: not valid UTF-8");
    fails({{"a/x.jsonl", "{\"text\": \"a\"}\n{"}}, ": a/x.jsonl:2:2: not valid JSON");
    write_archive(folder / kind, {{"x.txt", prose(50'000, 7)}});
    const std::string whole = read_file(folder / kind);
    write_text(folder / kind, whole.substr(0, whole.size() / 2));
    EXPECT_ERROR(read_documents({folder / kind}), folder / kind);
  }
}

TEST(DocumentSource, TextsAreReadAsPythonReadsThem) {
  const TemporaryFolder folder;
  write_text(folder / "a.txt", "\xEF\xBB\xBFone\r\n\r\ntwo\rthree\n");
  EXPECT_EQ(read_documents({folder / "a.txt"}), Documents{"one\n\ntwo\nthree\n"});
  // A line end that the chunks of reading cut.
  const std::string begin((1 << 20) - 1, 'a');
  write_text(folder / "long.txt", begin + "\r\nb");
  EXPECT_TRUE(read_documents({folder / "long.txt"}) == Documents{begin + "\nb"});
  write_text(folder / "end.txt", "a\r");
  EXPECT_EQ(read_documents({folder / "end.txt"}), Documents{"a\n"});
  write_text(folder / "packed.txt", gzipped("packed"));
  EXPECT_EQ(read_documents({folder / "packed.txt"}), Documents{"packed"}) << "by its bytes, not its name";
  write_text(folder / "wide.txt", std::string("\xFF\xFE"
                                              "a\0",
                                              4));
  EXPECT_ERROR(read_documents({folder / "wide.txt"}),
               (folder / "wide.txt") + ": text in UTF-16, needed UTF-8");
}

TEST(DocumentSource, BlankLinesAndNumbersOfPythonInJsonLines) {
  const TemporaryFolder folder;
  write_text(folder / "a.jsonl",
             "\n{\"text\": \"a\", \"score\": NaN}\n \t\r\n{\"text\": \"b\", \"x\": -Infinity}\n\n");
  EXPECT_EQ(read_documents({folder / "a.jsonl"}), (Documents{"a", "b"}));
  write_text(folder / "b.jsonl", "{\"text\": NaN}\n");
  EXPECT_ERROR(read_documents({folder / "b.jsonl"}), ":1: \"text\" is a JSON number");
  write_text(folder / "c.jsonl", "{\"text\": \"a\", \"x\": 1e999}\n");
  EXPECT_ERROR(read_documents({folder / "c.jsonl"}), "c.jsonl:1: holds a number that is too large");
}

TEST(DocumentSource, HiddenFilesLinkedFoldersAndBrokenLinks) {
  const TemporaryFolder folder;
  const std::string root = folder / "books";
  write_text(root + "/a.txt", "a");
  write_text(root + "/._a.txt", "\xFF");
  write_text(root + "/.ipynb_checkpoints/a-checkpoint.txt", "a");
  write_text(folder / "store/b.txt", "b");
  namespace fs = std::filesystem;
  fs::create_directory_symlink("../store", root + "/one");
  fs::create_directory_symlink("../store", root + "/two");
  fs::create_directory_symlink("..", folder / "store/up");  // a circle
  fs::create_symlink("../nowhere.txt", root + "/gone.txt");
  fs::create_symlink("self.txt", root + "/self.txt");
  const DocumentFiles found = find_documents({root});
  Documents left_out = found.left_out;
  std::sort(left_out.begin(), left_out.end());
  EXPECT_EQ(read_documents({root}), (Documents{"a", "b"}));
  const auto named = [&](const std::string& part) {
    return std::any_of(left_out.begin(), left_out.end(),
                       [&](const std::string& name) { return name.find(part) != name.npos; });
  };
  EXPECT_TRUE(named("._a.txt (hidden)"));
  EXPECT_TRUE(named(".ipynb_checkpoints (hidden)"));
  EXPECT_TRUE(named("gone.txt (a link to ../nowhere.txt, which does not exist)"));
  EXPECT_TRUE(named("self.txt (a link to self.txt, which does not exist)"));
  EXPECT_TRUE(named("two (searched already)") || named("one (searched already)"));
}

TEST(DocumentSource, AFileIsReadOnceHoweverManyLinksLeadToIt) {
  const TemporaryFolder folder;
  namespace fs = std::filesystem;
  const std::string root = folder / "books";
  write_text(root + "/m.txt", "m");
  write_text(folder / "store/n.txt", "n");
  fs::create_symlink("m.txt", root + "/a.txt");
  fs::create_symlink("../store/n.txt", root + "/b.txt");
  fs::create_symlink("../store/n.txt", root + "/z.txt");
  EXPECT_EQ(read_documents({root}), (Documents{"n", "m"}));
  EXPECT_EQ(find_documents({root}).left_out,
            (Documents{"a.txt (a link to another)", "z.txt (a link to another)"}));
}

TEST(DocumentSource, FoldersAreSearchedWholeInNameOrder) {
  const TemporaryFolder folder;
  const std::string root = folder / "all";
  write_text(root + "/b.txt", "b");
  write_text(root + "/a/z.jsonl", "{\"text\": \"z1\"}\n{\"text\": \"z2\"}\n");
  write_text(root + "/a/deep/er/y.txt.gz", gzipped("y"));
  write_text(root + "/a.txt", "a");
  write_text(root + "/B.txt", "B");
  write_text(root + "/notes.md", "left out");
  write_text(root + "/a/index.tsv", "left out");
  const DocumentFiles found = find_documents({root, folder / "all/b.txt"});
  Documents names;
  for (const DocumentFile& file : found.files) names.push_back(file.name);
  EXPECT_EQ(names, (Documents{"B.txt", "a.txt", "a/deep/er/y.txt.gz", "a/z.jsonl", "b.txt", "b.txt"}));
  EXPECT_EQ(found.left_out, (Documents{"a/index.tsv", "notes.md"}));
  EXPECT_EQ(found.files[1].bytes, 1);
  EXPECT_EQ(read_documents({root}), (Documents{"B", "a", "y", "z1", "z2", "b"}));

  EXPECT_ERROR(find_documents({folder / "absent.txt"}), (folder / "absent.txt") + " does not exist");
  EXPECT_ERROR(find_documents({root + "/notes.md"}), "not a name of documents, needed .txt, .jsonl");
  std::filesystem::create_directories(folder / "none");
  EXPECT_ERROR(find_documents({root, folder / "none"}), "a folder without documents");
}

}  // namespace
}  // namespace lf
