// Documents from text: .txt files (one document each), .jsonl files (one document per line, {"text": ...}),
// either of them gzipped, zip and tar.gz archives of them, and folders of all these. Read in chunks, so that
// a document's size costs no memory. Texts are read as Python reads text files: a byte order mark is none of
// the text, and Windows line ends are line ends.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace lf {

// kArchive: texts and JSON lines, each member in the format of its name.
enum class DocumentFormat { kText, kJsonLines, kArchive };

// One file of documents.
struct DocumentFile {
  std::string path;
  std::string name;  // as reports show it: relative to the source that was given
  DocumentFormat format = DocumentFormat::kText;
  int64_t bytes = 0;  // on disk
};

struct DocumentFiles {
  std::vector<DocumentFile> files;  // sources as given, the files of a folder in name order
  // Of folders and archives what is no document, hidden files and folders, broken links.
  std::vector<std::string> left_out;
};

// The files behind the sources: files, or folders that are searched whole. Throws Error for a source that is
// missing, a file whose name ends in none of .txt, .jsonl, .txt.gz, .jsonl.gz, .zip, .tar.gz and .tgz, and a
// folder or archive without any document. Folders behind links are searched too, each folder once. An archive
// is read to its end to see what is in it.
DocumentFiles find_documents(const std::vector<std::string>& sources);

// A stretch of a document's text.
struct DocumentChunk {
  std::string text;            // any bytes of the document, cut between characters; may be empty
  bool ends_document = false;  // the last chunk of its document
};

// "\n" for "\r\n" and for "\r" alone, as Python reads files of text.
void unify_line_ends(std::string& text);

// Reads the documents of one file in order.
class DocumentReader {
 public:
  // Throws Error when the file cannot be opened.
  explicit DocumentReader(const DocumentFile& file);
  ~DocumentReader();
  DocumentReader(DocumentReader&&) noexcept;

  // The next chunk; false at the end of the file. Throws Error "file:line: ..." for invalid UTF-8, a line
  // that is no JSON object with a string "text", and for damaged or truncated gzip data and archives. An
  // empty document is one empty chunk; blank lines of a .jsonl file are passed over.
  bool next(DocumentChunk& chunk);

  // Bytes of the file on disk that were read so far.
  int64_t bytes_read() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lf
