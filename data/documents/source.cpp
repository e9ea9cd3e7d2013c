#include "data/documents/source.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/files.h"
#include "data/byte_source.h"
#include "data/json_lines.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunk = 1 << 20;

// The format that a name promises; nothing for other names.
std::optional<DocumentFile> file_of_name(const std::string& path, const std::string& name) {
  DocumentFile file;
  file.path = path;
  file.name = name;
  std::string_view rest = name;
  if (rest.ends_with(".gz")) {
    file.gzip = true;
    rest.remove_suffix(3);
  }
  if (rest.ends_with(".jsonl")) {
    file.format = DocumentFormat::kJsonLines;
  } else if (!rest.ends_with(".txt")) {
    return std::nullopt;
  }
  return file;
}

void add_folder(const std::string& source, DocumentFiles& found) {
  std::vector<fs::path> paths;
  try {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(source)) {
      // A link to a folder is not followed, but named among what is left out.
      if (!entry.is_directory() || entry.is_symlink()) paths.push_back(entry.path());
    }
  } catch (const fs::filesystem_error& error) {
    throw_file_error("read the folder", source, error.code().value());
  }
  // By their characters, whatever the file system's or the locale's order is.
  std::sort(paths.begin(), paths.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  const size_t before = found.files.size();
  for (const fs::path& path : paths) {
    const std::string name = path.lexically_relative(source).generic_string();
    const std::optional<DocumentFile> file = file_of_name(path.string(), name);
    if (file && !fs::is_directory(path)) {
      found.files.push_back(*file);
    } else {
      found.left_out.push_back(name);
    }
  }
  CHECK(found.files.size() > before, source,
        ": a folder without documents: no .txt, .jsonl, .txt.gz or .jsonl.gz file is in it");
}

}  // namespace

DocumentFiles find_documents(const std::vector<std::string>& sources) {
  DocumentFiles found;
  for (const std::string& source : sources) {
    if (fs::is_directory(source)) {
      add_folder(source, found);
      continue;
    }
    const std::optional<DocumentFile> file = file_of_name(source, fs::path(source).filename().string());
    CHECK(fs::exists(source), "no file or folder ", source);
    CHECK(file, source, ": not a name of documents, needed .txt, .jsonl, .txt.gz, .jsonl.gz or a folder");
    found.files.push_back(*file);
  }
  for (DocumentFile& file : found.files)
    file.bytes = static_cast<int64_t>(MappedFile(file.path).bytes().size());
  return found;
}

struct DocumentReader::State {
  explicit State(const DocumentFile& given) : file(given) {
    const auto packing = file.gzip ? ByteSource::Packing::kGzip : ByteSource::Packing::kNone;
    if (file.format == DocumentFormat::kText) {
      text.emplace(file.path, packing);
    } else {
      lines.emplace(file.path, packing);
    }
  }

  // Appends the text's next bytes to `buffer`; false when there are none.
  bool read_more() {
    const size_t before = buffer.size();
    buffer.resize(before + kChunk);
    buffer.resize(before + text->read({reinterpret_cast<uint8_t*>(buffer.data()) + before, kChunk}));
    return buffer.size() > before;
  }

  bool next_of_text(DocumentChunk& chunk);
  bool next_line(DocumentChunk& chunk);

  DocumentFile file;
  std::optional<JsonLines> lines;  // one of the two
  std::optional<ByteSource> text;
  std::string buffer;  // of a text, what is not handed out yet
  int64_t line = 1;
  bool ended = false;
};

// A whole file is one document, handed out in chunks of whole characters.
bool DocumentReader::State::next_of_text(DocumentChunk& chunk) {
  if (ended) return false;
  ended = !read_more();
  const size_t valid = first_invalid_utf8(buffer);
  line += std::count(buffer.begin(), buffer.begin() + static_cast<int64_t>(valid), '\n');
  // A character that the chunk's end cuts is completed by the next chunk.
  const bool cut = valid < buffer.size() && valid + utf8_step(buffer, valid).bytes == buffer.size();
  CHECK(valid == buffer.size() || (cut && !ended), file.path, ":", line, ": not valid UTF-8");
  chunk.text.assign(buffer, 0, valid);
  chunk.ends_document = ended;
  buffer.erase(0, valid);
  return true;
}

// Every line is one document.
bool DocumentReader::State::next_line(DocumentChunk& chunk) {
  JsonLine next;
  if (!lines->next(next)) return false;
  constexpr const char* kNeeded = R"(one JSON object a line: {"text": "..."})";
  CHECK(!next.blank(), file.path, ":", next.number, ": a blank line, needed ", kNeeded);
  JsonRecord record = parse_json_record(std::move(next), file.path, kNeeded);
  const auto found = record.object.find("text");
  CHECK(found != record.object.end(), record.where, ": no \"text\", needed ", kNeeded);
  CHECK(found->is_string(), record.where, ": \"text\" is a JSON ", found->type_name(), ", needed ", kNeeded);
  chunk.text = std::move(found->get_ref<std::string&>());
  chunk.ends_document = true;
  return true;
}

DocumentReader::DocumentReader(const DocumentFile& file) : state_(std::make_unique<State>(file)) {}
DocumentReader::~DocumentReader() = default;
DocumentReader::DocumentReader(DocumentReader&&) noexcept = default;

bool DocumentReader::next(DocumentChunk& chunk) {
  return state_->file.format == DocumentFormat::kText ? state_->next_of_text(chunk)
                                                      : state_->next_line(chunk);
}

int64_t DocumentReader::bytes_read() const {
  return state_->lines ? state_->lines->bytes_read() : state_->text->bytes_read();
}

}  // namespace lf
