// Cutting documents: nothing lost, cut only where no token can span, the same parts however the text arrives.
#include <algorithm>
#include <cctype>
#include <utility>

#include "data/documents/pieces.h"

#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

using Strings = std::vector<std::string>;

std::vector<TextPart> read_parts(const std::vector<std::string>& sources, const PieceRules& rules,
                                 int64_t* empty_documents = nullptr) {
  PartReader reader(find_documents(sources).files, rules);
  std::vector<TextPart> parts;
  while (std::optional<TextPart> part = reader.next()) parts.push_back(std::move(*part));
  if (empty_documents) *empty_documents = reader.empty_documents();
  return parts;
}

// All pieces in a row; a document's end is "$".
Strings pieces_of(const std::vector<TextPart>& parts) {
  Strings pieces;
  for (const TextPart& part : parts) {
    for (const TextPiece& piece : part.pieces) {
      if (piece.end > piece.begin) pieces.emplace_back(part.of(piece));
      if (piece.ends_document) pieces.push_back("$");
    }
  }
  return pieces;
}

std::string join(const Strings& strings) {
  std::string all;
  for (const std::string& s : strings) all += s;
  return all;
}

TEST(DocumentPieces, PiecesAreTheTextCutBeforeSpaces) {
  const TemporaryFolder folder;
  const std::string content = prose(1'200'000, 1), other = prose(700, 2);
  write_text(folder / "a.txt", content);
  write_text(folder / "b.txt", other);
  const auto parts =
      read_parts({folder / "a.txt", folder / "b.txt"}, {.piece_bytes = 100, .part_bytes = 10'000});
  const Strings pieces = pieces_of(parts);
  EXPECT_TRUE(join(pieces) == content + "$" + other + "$");
  EXPECT_GT(parts.size(), 100u);
  EXPECT_GT(pieces.size(), 8'000u);
  for (size_t i = 0; i + 1 < pieces.size(); ++i) {
    if (pieces[i] == "$" || pieces[i + 1] == "$") continue;
    ASSERT_GE(pieces[i].size(), 100u);
    ASSERT_LT(pieces[i].size(), 400u);
    ASSERT_EQ(pieces[i + 1][0], ' ');
    ASSERT_TRUE(std::isalnum(static_cast<unsigned char>(pieces[i].back())) || pieces[i].back() == ',')
        << pieces[i];
  }
  for (size_t i = 0; i + 1 < parts.size(); ++i) {
    ASSERT_GE(parts[i].text.size(), 10'000u);
    ASSERT_LT(parts[i].text.size(), 10'400u);
  }
}

TEST(DocumentPieces, ParagraphsEndAtTwoNewlines) {
  const TemporaryFolder folder;
  // One newline more than two belongs to the paragraph behind it; a piece of two and nothing else vanishes.
  write_text(folder / "a.txt", "one\nstill one\n\ntwo\n\n\nthree\n\n\n\nfour\n");
  EXPECT_EQ(pieces_of(read_parts({folder / "a.txt"}, {.paragraphs = true})),
            (Strings{"one\nstill one", "two", "\nthree", "four\n", "$"}));
  write_text(folder / "b.txt", "\n\none\n\n");
  EXPECT_EQ(pieces_of(read_parts({folder / "b.txt"}, {.paragraphs = true})), (Strings{"one", "$"}));
  EXPECT_EQ(pieces_of(read_parts({folder / "b.txt"}, {})), (Strings{"\n\none\n\n", "$"}));
}

TEST(DocumentPieces, ParagraphsAreThoseOfAPlainSplit) {
  const TemporaryFolder folder;
  const std::string content = prose(1'200'000, 3);
  write_text(folder / "a.txt", content);
  // Paragraphs of this text are far shorter than a piece's size: none is cut.
  const PieceRules rules{.paragraphs = true, .piece_bytes = 1 << 16, .part_bytes = 50'000};
  Strings expected;
  for (size_t begin = 0; begin <= content.size();) {
    const size_t end = std::min(content.find("\n\n", begin), content.size());
    if (end > begin) expected.push_back(content.substr(begin, end - begin));
    begin = end + 2;
  }
  expected.push_back("$");
  EXPECT_GT(expected.size(), 5'000u);
  EXPECT_TRUE(pieces_of(read_parts({folder / "a.txt"}, rules)) == expected);
  // Cut ones still join to the paragraphs.
  const Strings cut = pieces_of(
      read_parts({folder / "a.txt"}, {.paragraphs = true, .piece_bytes = 16, .part_bytes = 50'000}));
  EXPECT_GT(cut.size(), 2 * expected.size());
  EXPECT_TRUE(join(cut) == join(expected));
}

TEST(DocumentPieces, PartsDoNotDependOnHowTheTextArrives) {
  const TemporaryFolder folder;
  // As one line of JSON the document arrives whole, as a text file in chunks of 1 MiB.
  const std::string content = prose(2'500'000, 4);
  write_text(folder / "a.txt", content);
  write_text(folder / "b.jsonl", json_line(content));
  for (const bool paragraphs : {false, true}) {
    const PieceRules rules{.paragraphs = paragraphs, .part_bytes = 300'000};
    const auto a = read_parts({folder / "a.txt"}, rules), b = read_parts({folder / "b.jsonl"}, rules);
    ASSERT_EQ(a.size(), b.size());
    EXPECT_GT(a.size(), 7u);
    for (size_t i = 0; i < a.size(); ++i) {
      EXPECT_TRUE(a[i].text == b[i].text) << i;
      EXPECT_TRUE(a[i].pieces == b[i].pieces) << i;
    }
  }
}

TEST(DocumentPieces, EmptyDocumentsAreCountedAndGiveNothing) {
  const TemporaryFolder folder;
  write_text(folder / "a.jsonl", R"({"text": ""}
{"text": "one"}
{"text": "\n\n"}
{"text": ""}
{"text": "two\n\n"}
)");
  int64_t empty = 0;
  EXPECT_EQ(pieces_of(read_parts({folder / "a.jsonl"}, {.paragraphs = true}, &empty)),
            (Strings{"one", "$", "two", "$"}));
  EXPECT_EQ(empty, 3);
  EXPECT_EQ(pieces_of(read_parts({folder / "a.jsonl"}, {}, &empty)),
            (Strings{"one", "$", "\n\n", "$", "two\n\n", "$"}));
  EXPECT_EQ(empty, 2);
}

TEST(DocumentPieces, TextWithoutSpacesStaysWhole) {
  const TemporaryFolder folder;
  std::string content;
  for (int i = 0; i < 100'000; ++i) content += "\xE6\x96\x87";
  write_text(folder / "a.txt", content + " end");
  EXPECT_EQ(pieces_of(read_parts({folder / "a.txt"}, {})), (Strings{content + " end", "$"}))
      << "a space behind a character that is no ASCII letter is no place to cut";
}

TEST(DocumentPieces, AnEmptyLineOfARecordEndsAParagraphInAnyForm) {
  const TemporaryFolder folder;
  write_text(folder / "a.jsonl", R"({"text": "one\r\n\r\ntwo\r\rthree"})"
                                 "\n");
  EXPECT_EQ(pieces_of(read_parts({folder / "a.jsonl"}, {.paragraphs = true})),
            (Strings{"one", "two", "three", "$"}));
  EXPECT_EQ(pieces_of(read_parts({folder / "a.jsonl"}, {})), (Strings{"one\r\n\r\ntwo\r\rthree", "$"}));
}

}  // namespace
}  // namespace lf
