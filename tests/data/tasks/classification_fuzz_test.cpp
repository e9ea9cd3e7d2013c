// Whatever a file holds, its reader gives sound documents or an Error that names the file.
#include "core/escaped.h"
#include "core/files.h"
#include "tests/data/archive_input.h"
#include "tests/data/tasks/classification_input.h"
#include "tests/fuzz.h"

namespace lf {
namespace {

void expect_documents_or_error(const std::string& path, const std::string& content) {
  write_text(path, content);
  try {
    for (const LabelledDocument& document : read_unlabelled(path, {}, {})) {
      EXPECT_TRUE(is_utf8(document.text)) << escaped(content);
      EXPECT_NE(document.text.find_first_not_of(" \t\r\n\f\v"), std::string::npos) << escaped(content);
    }
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()).rfind(path, 0), 0u) << error.what();
    for (const char* character = error.what(); *character; ++character)
      EXPECT_GE(static_cast<unsigned char>(*character), ' ') << escaped(error.what());
  }
}

void fuzz(const std::string& name, const std::string& content, const std::vector<std::string>& words) {
  const TemporaryFolder folder;
  ByteMutator mutator(content, words, 0, content.size(), 20);
  for (FuzzRounds rounds(400); rounds.more();) expect_documents_or_error(folder / name, mutator.next());
}

std::string packed(const std::string& kind) {
  const TemporaryFolder folder;
  write_archive(folder / ("a" + kind),
                {{"folder/", ""}, {"folder/a.csv", "id,text,label\n1,\"some\ntext\",x\n"}});
  return read_file(folder / ("a" + kind));
}

TEST(ClassificationFuzz, Tables) {
  const std::vector<std::string> words = {"\"", "\"\"",         ",",    "\t", "\r\n",
                                          "\n", "\xEF\xBB\xBF", "text", "\r"};
  fuzz("a.csv", "id,text,label\r\n1,\"some \"\"text\"\"\n\",x\r\n2,\xC3\xA9 plain,y\n", words);
  fuzz("a.tsv", "id\ttext\tlabel\n1\tsome \"text\tx\n2\tplain\ty\n", words);
}

TEST(ClassificationFuzz, Articles) {
  fuzz("a.xml",
       "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<articles>\n<!-- two -->\n<article id=\"1\" title=\"a "
       "&gt; b\">\n"
       "<p>some <a href=\"x\">text</a></p></article>\n<article id='2'>more</article>\n</articles>\n",
       {"<article", "</article>", "<", ">", "/>", "\"", "'", "<!--", "-->", "<![CDATA[", "]]>", "&amp;",
        "&#0;", "id="});
}

TEST(ClassificationFuzz, Archives) {
  for (const char* kind : {".zip", ".tar.gz"})
    fuzz("a" + std::string(kind), packed(kind), {"PK", "\x1F\x8B"});
}

}  // namespace
}  // namespace lf
