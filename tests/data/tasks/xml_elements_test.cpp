// Elements of large XML files: one at a time, and each fault with its line.
#include "data/tasks/xml_elements.h"

#include "tests/data/tasks/classification_input.h"

namespace lf {
namespace {

std::vector<std::string> texts_of(const std::string& path) {
  std::vector<std::string> texts;
  XmlElements elements(path, "item");
  for (pugi::xml_document element; elements.next(element);) {
    texts.push_back(std::string(element.document_element().attribute("id").value()) + ":" +
                    text_within(element.document_element()) + elements.where().substr(path.size()));
  }
  return texts;
}

class XmlElementsTest : public testing::Test {
 protected:
  std::vector<std::string> read(const std::string& content) {
    write_text(folder_ / "a.xml", content);
    return texts_of(folder_ / "a.xml");
  }
  void fails(const std::string& content, const std::string& message) {
    EXPECT_ERROR(read(content), (folder_ / "a.xml") + message);
  }
  const TemporaryFolder folder_;
};

TEST_F(XmlElementsTest, ComeOneByOne) {
  const std::string content =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<items>\n"
      "<!-- a comment -->\n"
      "  <item id=\"1\" title='a > \"b\"'>one <b>bold</b> &amp; <!-- not --> more &#233;</item >\n"
      "  <item id=\"2\"/><item\nid=\"3\"> <![CDATA[<raw>]]></item>\n"
      "</items>\n";
  EXPECT_EQ(read(content), (std::vector<std::string>{"1:one bold &  more \xC3\xA9:4", "2::5", "3: <raw>:5"}));
  EXPECT_EQ(
      read("<items><item id='&amp;'>&lt;&gt;&quot;&apos;&#xE9;<!-- & --><![CDATA[ & ]]></item></items>"),
      (std::vector<std::string>{"&:<>\"'\xC3\xA9 & :1"}));
  EXPECT_EQ(read("<items/>"), std::vector<std::string>{});
  EXPECT_EQ(read("\xEF\xBB\xBF<items></items>"), std::vector<std::string>{});
}

TEST_F(XmlElementsTest, CrossTheBordersOfChunks) {
  std::string content = "<items>\n";
  std::vector<std::string> expected;
  int line = 2;
  for (int i = 0; i < 400; ++i) {
    const auto id = std::to_string(i);
    const std::string words(static_cast<size_t>(i) * 37 % 5000, 'x');
    content += "<item id=\"" + id + "\">" + words + "</item>" + std::string(static_cast<size_t>(i % 7), '\n');
    expected.push_back(id + ":" + words + ":" + std::to_string(line));
    line += i % 7;
  }
  EXPECT_TRUE(read(content + "</items>") == expected);
}

TEST_F(XmlElementsTest, FaultsHaveTheirLine) {
  const std::string begin = "<items>\n<item id=\"1\">a</item>\n";
  fails(begin + "<item>\n<b>\n</item></items>", ":5: not well-formed XML");
  fails(begin + "<item id=1>a</item></items>", ":3: not well-formed XML");
  fails(begin + "<item>\n\nb \xFF</item></items>", ":5: not valid UTF-8");
  for (const char* wrong : {"AT & T", "&nbsp;", "a&", "&#;", "&#x;", "&#12a;", "<![CDATA[&]]>&"})
    fails(begin + "<item>\n" + wrong + "</item></items>", ":4: not well-formed XML: & begins no reference");
  fails(begin + "<item>cut", ":3: <item> has no end; the file may have been cut short");
  fails(begin + "<item id=\"cut", ":3: <item> has no end");
  fails(begin, ":2: not well-formed XML");
  fails(begin + "</things>", ":3: not well-formed XML");
  fails(begin + "\n<other/></items>", ":4: an element <other> between the elements, needed <item> only");
  fails(begin + "\n text</items>", ":4: text between the elements");
  fails(begin + "\xFF</items>", ":3: not valid UTF-8");
  fails("", ":1: not well-formed XML");
  fails("plain text", ":1: not well-formed XML");
  fails(std::string("\xFF\xFE<\0a\0", 6), ": text in UTF-16, needed UTF-8");
  fails("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><items/>",
        ": its encoding is \"ISO-8859-1\", needed UTF-8");
}

}  // namespace
}  // namespace lf
