// Records with labels: JSON lines, CSV and TSV, whole and broken; every message has its file and line.
#include "data/tasks/classification_records.h"

#include "tests/data/archive_input.h"
#include "tests/data/tasks/classification_input.h"

namespace lf {
namespace {

using Documents = std::vector<LabelledDocument>;

class ClassificationRecords : public testing::Test {
 protected:
  std::string write(const std::string& name, const std::string& content) {
    write_text(folder_ / name, content);
    return folder_ / name;
  }
  Documents read(const std::string& name, const std::string& content, const RecordColumns& columns = {},
                 Labels labels = Labels::kRequired) {
    return read_labelled_records(write(name, content), columns, labels);
  }
  void fails(const std::string& name, const std::string& content, const std::string& message,
             const RecordColumns& columns = {}) {
    EXPECT_ERROR(read(name, content, columns), (folder_ / name) + message);
  }
  const TemporaryFolder folder_;
};

TEST_F(ClassificationRecords, OfJson) {
  const Documents found = read("a.jsonl",
                               "{\"id\": \"x\", \"text\": \"one\", \"label\": \"good\", \"more\": []}\n"
                               "{\"id\": 7, \"text\": \" two\\n\", \"label\": 3}\r\n"
                               "{\"text\": \"three\", \"label\": true}");
  const std::string path = folder_ / "a.jsonl";
  const Documents expected = {{"x", "one", "good", path + ":1"},
                              {"7", " two\n", "3", path + ":2"},
                              {"3", "three", "true", path + ":3"}};
  EXPECT_EQ(found, expected);
  const Documents named = read("b.jsonl", R"({"key": "k", "review": "r", "stars": 5, "id": 1})",
                               {.id = "key", .text = "review", .label = "stars"});
  EXPECT_EQ(named, (Documents{{"k", "r", "5", folder_ / "b.jsonl:1"}}));
  EXPECT_EQ(read("c.jsonl", R"({"text": "r", "label": [1]})", {}, Labels::kIgnored).at(0).label,
            std::nullopt);
}

TEST_F(ClassificationRecords, OfCsv) {
  const Documents found = read("a.csv",
                               "\xEF\xBB\xBFid,label,text\r\n"
                               "1,good,plain\r\n"
                               "\"2\",\"very \"\"good\"\"\",\"two, lines\nand a \"\"quote\"\"\"\n"
                               "3,good,\"\xC3\xA9\"");
  const std::string path = folder_ / "a.csv";
  const Documents expected = {{"1", "plain", "good", path + ":2"},
                              {"2", "two, lines\nand a \"quote\"", "very \"good\"", path + ":3"},
                              {"3", "\xC3\xA9", "good", path + ":5"}};
  EXPECT_EQ(found, expected);
  EXPECT_EQ(ids_of(read("b.csv", "text,label\na,b\nc,d\n")), (std::vector<std::string>{"2", "3"}));
}

// As spreadsheets of a Mac write them: a line end within a field is another one.
TEST_F(ClassificationRecords, RowsThatEndWithAReturn) {
  const Documents found = read("a.csv", "text,label\r\"two\nlines\",a\r\"c\rd\",b\r");
  EXPECT_EQ(found, (Documents{{"2", "two\nlines", "a", folder_ / "a.csv:2"},
                              {"4", "c\rd", "b", folder_ / "a.csv:4"}}));
  EXPECT_EQ(read("a.tsv", "text\tlabel\ra\tb\r"), (Documents{{"2", "a", "b", folder_ / "a.tsv:2"}}));
  EXPECT_EQ(read("d.csv", "\"one\ntwo\",text,label\r1,c,d\r"),
            (Documents{{"3", "c", "d", folder_ / "d.csv:3"}}));
  // Where both are in use, as Python's csv module has it.
  EXPECT_EQ(read("c.csv", "text,label\ra,b\r\nc,d\r\n"),
            (Documents{{"2", "a", "b", folder_ / "c.csv:2"}, {"3", "c", "d", folder_ / "c.csv:3"}}));
  // Where rows end otherwise it is text.
  EXPECT_EQ(read("b.tsv", "text\tlabel\r\na\rb\tc\r\n").at(0).text, "a\rb");
  EXPECT_EQ(read("b.csv", "text,label\na\rb,c\n").at(0).text, "a\rb");
}

TEST_F(ClassificationRecords, OfTsvWithoutQuotation) {
  const std::string rows = "pos\t0\t9\tIt's \"great\", \"really\nneg\t1\t2\t\"bad\"\r\n";
  const RecordColumns columns = {.names = {"label", "id", "rating", "text"}};
  const std::string path = folder_ / "a.tsv";
  const Documents expected = {{"0", "It's \"great\", \"really", "pos", path + ":1"},
                              {"1", "\"bad\"", "neg", path + ":2"}};
  EXPECT_EQ(read("a.tsv", rows, columns), expected);
  write_text(folder_ / "a.tsv.gz", gzipped(rows));
  EXPECT_EQ(ids_of(read_labelled_records(folder_ / "a.tsv.gz", columns, Labels::kRequired)),
            (std::vector<std::string>{"0", "1"}));
  for (const char* name : {"some.zip", "b.tsv.tar.gz"}) {
    write_archive(folder_ / name, {{"folder/a.tsv", rows}});
    EXPECT_EQ(read_labelled_records(folder_ / name, columns, Labels::kRequired).at(1).text, "\"bad\"")
        << name;
  }
}

// As pandas and Python's csv module write it.
TEST_F(ClassificationRecords, OfTsvWithQuotation) {
  const std::string path = folder_ / "a.tsv";
  const Documents found = read("a.tsv",
                               "id\ttext\tlabel\n1\t\"It's \"\"great\"\"\"\tpos\n2\t\"bad\"\tneg\n"
                               "3\t\"a\tb\nc\"\tpos\n4\tsaid \"no\"\tneg\n");
  EXPECT_EQ(found, (Documents{{"1", "It's \"great\"", "pos", path + ":2"},
                              {"2", "bad", "neg", path + ":3"},
                              {"3", "a\tb\nc", "pos", path + ":4"},
                              {"4", "said \"no\"", "neg", path + ":6"}}));
  const Documents all = read("b.tsv", "\"text\"\t\"label\"\n\"one\"\t\"pos\"\n\"two\"\t\"neg\"\n");
  EXPECT_EQ(all.at(0), (LabelledDocument{"2", "one", "pos", folder_ / "b.tsv:2"}));
  fails("c.tsv", "text\tlabel\n\"a \"\"b\"\"\"\tx\n\"c\" d\ty\n",
        ":2: the text is in quotation marks as writers of CSV put them; read as a CSV with tabs: " +
            (folder_ / "c.tsv:3: text behind the quotation mark"));
  fails("d.tsv", "text\tlabel\na\tx\nb\n", ":3: 1 fields, needed 2 as the header has");
}

TEST_F(ClassificationRecords, RowsOfAnySizeCrossTheBordersOfChunks) {
  std::string content = "text,label\n";
  Documents expected;
  for (uint32_t i = 0; i < 30; ++i) {
    expected.push_back({std::to_string(i), "", "x", ""});
    for (const char letter : prose(1000 * i + 30'000, i + 1))
      expected.back().text += letter == 'a' ? std::string("\"") : std::string(1, letter);
    content += '"';
    for (const char letter : expected.back().text) content += letter == '"' ? "\"\"" : std::string(1, letter);
    content += "\",x\r\n";
  }
  const Documents found = read("a.csv", content);
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_TRUE(found[i].text == expected[i].text) << i;
}

TEST_F(ClassificationRecords, BrokenJsonIsNamed) {
  const std::string good = "{\"text\": \"good\", \"label\": \"x\"}\n";
  const auto line_two = [&](const std::string& line, const std::string& message) {
    fails("a.jsonl", good + line + "\n" + good, ":2" + message);
  };
  line_two("{\"text\": \"cut", ":14: not valid JSON");
  line_two("[]", ": a JSON array, needed a record with text");
  line_two("{\"label\": \"x\"}", ": no \"text\", needed a record with text and label");
  line_two("{\"text\": 3, \"label\": \"x\"}", ": \"text\" is a JSON number, needed a text");
  line_two("{\"text\": \"a\"}", ": no \"label\", needed the document's label");
  line_two("{\"text\": \"a\", \"label\": null}",
           ": \"label\" is null, needed a text, a whole number, true or false");
  line_two("{\"text\": \"a\", \"label\": 0.5}",
           ": \"label\" is 0.5, needed a text, a whole number, true or false");
  line_two("{\"text\": \"a\", \"label\": NaN}",
           ": \"label\" is NaN, needed a text, a whole number, true or false");
  line_two("{\"text\": \"a\", \"label\": \"\"}", ": document \"2\" has an empty label");
  line_two("{\"text\": \" \\n\\t\", \"label\": \"x\"}", ": document \"2\" has no text");
  line_two("{\"id\": \"1\", \"text\": \"a\", \"label\": \"x\"}", ": the id \"1\" is given twice; ");
  fails("empty.jsonl", "", ": no records");
}

TEST_F(ClassificationRecords, BrokenTablesAreNamed) {
  const std::string good = "id,text,label\na,\"b\nb\",c\n";
  const auto line_four = [&](const std::string& row, const std::string& message) {
    fails("a.csv", good + row, ":4" + message);
  };
  line_four("d,e\n", ": 2 fields, needed 3 as the header has");
  line_four("d,e,f,g\n", ": 4 fields, needed 3 as the header has");
  line_four("d,e\"e,f\n", ": a quotation mark in a field that does not begin with one");
  line_four("d,\"e\"e,f\n", ": text behind the quotation mark that closes a field");
  line_four("d,\"e,f\n", ": a quotation mark opens a field that is never closed");
  line_four("d,\xFF,f\n", ": not valid UTF-8");
  line_four("d,\xE2\x82,f\n", ": not valid UTF-8");
  line_four("d,,f\n", ": document \"d\" has no text");
  line_four("d,e,\n", ": document \"d\" has an empty label");
  line_four("a,e,f\n", ": the id \"a\" is given twice; " + (folder_ / "a.csv") + ":2 has it too");
  fails("a.csv", good + "d,\"\n\ne\"e,f\n",
        ":6: text behind the quotation mark that closes a field that began in line 4");
  fails("a.csv", "id,words\na,b\n", ":1: no column \"text\"; there is \"id\", \"words\"");
  fails("a.csv", "id,text\na,b\n", ":1: no column \"label\"");
  fails("a.csv", "text,text,label\n", ":1: two columns are called \"text\"");
  fails("a.csv", "id,text,label\n", ": no records");
  EXPECT_EQ(read("blank.csv", good + "\nd,e,f\n\n").size(), 2u) << "blank lines are passed over";
  fails("a.csv", "", ": an empty file, needed a row that names the columns");
  fails("a.tsv", "a\tb\n", ":1: 2 fields, needed 3 as columns are named", {.names = {"id", "text", "label"}});
}

TEST_F(ClassificationRecords, NamesTellTheFormat) {
  fails("a.json", "{}", ": not a name of records, needed .jsonl, .csv, .tsv or .txt");
  fails("a.txt", "text", ": a text has no label");
  const Documents one = read("a.txt", "one\ntext", {}, Labels::kIgnored);
  EXPECT_EQ(one, (Documents{{"a", "one\ntext", std::nullopt, folder_ / "a.txt"}}));
  EXPECT_ERROR(read("b.txt", "one\n\xFF", {}, Labels::kIgnored), "b.txt:2: not valid UTF-8");
  EXPECT_ERROR(read("c.txt", " \n", {}, Labels::kIgnored), "c.txt: document \"c\" has no text");
  EXPECT_ERROR(read_labelled_records(folder_ / "none.csv", {}, Labels::kRequired), "none.csv");
}

}  // namespace
}  // namespace lf
