#include "data/documents/source.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>

#include "core/check.h"
#include "core/file_kinds.h"
#include "core/file_paths.h"
#include "core/files.h"
#include "data/archive.h"
#include "data/byte_source.h"
#include "data/folder_files.h"
#include "data/json_lines.h"
#include "data/json_record.h"
#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr size_t kChunk = 1 << 20;

// What a name ends in.
std::optional<DocumentFormat> format_of(std::string_view name) {
  if (has_ending(name, ".jsonl")) return DocumentFormat::kJsonLines;
  if (has_ending(name, ".txt")) return DocumentFormat::kText;
  return is_archive_name(name) ? std::optional(DocumentFormat::kArchive) : std::nullopt;
}

// The format that a name promises; nothing for other names.
std::optional<DocumentFile> file_of_name(const std::string& path, const std::string& name) {
  DocumentFile file;
  file.path = path;
  file.name = name;
  std::string_view rest = name;
  const bool gzip = has_ending(rest, ".gz") && !is_archive_name(name);
  if (gzip) rest.remove_suffix(3);
  const std::optional<DocumentFormat> format = format_of(rest);
  if (!format || (gzip && *format == DocumentFormat::kArchive)) return std::nullopt;
  file.format = *format;
  return file;
}

// The format of an archive's member; nothing for those that are no documents.
std::optional<DocumentFormat> member_format(const std::string& name) {
  const auto format = format_of(name);
  return format == DocumentFormat::kArchive ? std::nullopt : format;
}

// Whether an archive holds documents; what else it holds goes into `left_out`.
bool look_into(const DocumentFile& file, std::vector<std::string>& left_out) {
  ArchiveReader archive(file.path);
  bool any = false;
  while (archive.next()) {
    if (member_format(archive.name())) {
      any = true;
    } else {
      left_out.push_back(file.name + ": " + archive.name());
    }
  }
  return any;
}

void add_folder(const std::string& source, DocumentFiles& found) {
  const std::vector<fs::path> paths = files_below(source, found.left_out);
  const size_t before = found.files.size();
  for (const fs::path& path : paths) {
    const std::string name = path.lexically_relative(source).generic_string();
    const std::optional<DocumentFile> file = file_of_name(path.string(), name);
    std::vector<std::string> members;
    const bool is_file = file && !fs::is_directory(path);
    const bool is_archive = is_file && file->format == DocumentFormat::kArchive;
    if (is_file && (!is_archive || look_into(*file, members))) {
      found.left_out.insert(found.left_out.end(), members.begin(), members.end());
      found.files.push_back(*file);
    } else {
      found.left_out.push_back(name);
    }
  }
  CHECK(found.files.size() > before, source,
        ": a folder without documents: no .txt, .jsonl, .txt.gz or .jsonl.gz file is in it, and no archive "
        "of such");
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
    check_exists(source);
    CHECK(file, source,
          ": not a name of documents, needed .txt, .jsonl, .txt.gz, .jsonl.gz, .zip, .tar.gz or a folder");
    CHECK(file->format != DocumentFormat::kArchive || look_into(*file, found.left_out), source,
          ": an archive without documents: no .txt or .jsonl file is in it");
    found.files.push_back(*file);
  }
  for (DocumentFile& file : found.files)
    file.bytes = static_cast<int64_t>(MappedFile(file.path).bytes().size());
  return found;
}

struct DocumentReader::State {
  explicit State(const DocumentFile& given) : file(given) {
    if (file.format == DocumentFormat::kArchive) {
      archive.emplace(file.path);
    } else {
      open(file.format, std::make_unique<ByteSource>(file.path), file.path);
    }
  }

  void open(DocumentFormat format, std::unique_ptr<ByteSource> source, const std::string& name) {
    path = name;
    lines.reset();
    text.reset();
    if (format == DocumentFormat::kText) {
      text = std::move(source);
    } else {
      lines.emplace(path, std::move(source));
    }
    buffer.clear();
    at_begin = true;
    line = 1;
    ended = false;
  }

  // Goes on to the archive's next member with documents; false without one.
  bool next_member() {
    while (archive && archive->next()) {
      const std::optional<DocumentFormat> format = member_format(archive->name());
      if (!format) continue;
      open(*format, std::make_unique<ByteSource>(*archive), file.path + ": " + archive->name());
      return true;
    }
    return false;
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
  std::optional<ArchiveReader> archive;
  std::string path;                // of what is read now, for messages
  std::optional<JsonLines> lines;  // one of the two; neither before an archive's first member
  std::unique_ptr<ByteSource> text;
  std::string buffer;  // of a text, what is not handed out yet
  bool at_begin = true;
  int64_t line = 1;
  bool ended = false;
};

void unify_line_ends(std::string& text) {
  size_t to = text.find('\r');
  if (to == text.npos) return;
  for (size_t from = to; from < text.size(); ++from) {
    const bool is_pair = text[from] == '\r' && from + 1 < text.size() && text[from + 1] == '\n';
    if (!is_pair) text[to++] = text[from] == '\r' ? '\n' : text[from];
  }
  text.resize(to);
}

// A whole file is one document, handed out in chunks of whole characters.
bool DocumentReader::State::next_of_text(DocumentChunk& chunk) {
  if (ended) return false;
  ended = !read_more();
  if (std::exchange(at_begin, false)) buffer.erase(0, text_begin(path, buffer));
  size_t valid = first_invalid_utf8(buffer);
  line += std::count(buffer.begin(), buffer.begin() + static_cast<int64_t>(valid), '\n');
  // A character that the chunk's end cuts is completed by the next chunk.
  const bool cut = valid < buffer.size() && valid + utf8_step(buffer, valid).bytes == buffer.size();
  CHECK(valid == buffer.size() || (cut && !ended), path, ":", line, ": not valid UTF-8");
  // A "\r" at the chunk's end may be half of a line end.
  if (!ended && valid > 0 && buffer[valid - 1] == '\r') --valid;
  chunk.text.assign(buffer, 0, valid);
  unify_line_ends(chunk.text);
  chunk.ends_document = ended;
  buffer.erase(0, valid);
  return true;
}

// Every line is one document.
bool DocumentReader::State::next_line(DocumentChunk& chunk) {
  JsonLine next;
  if (!lines->next_record(next)) return false;
  constexpr const char* kNeeded = R"(one JSON object a line: {"text": "..."})";
  JsonRecord record = parse_json_record(std::move(next), path, kNeeded);
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
  State& state = *state_;
  do {
    const bool found = state.lines ? state.next_line(chunk) : state.text && state.next_of_text(chunk);
    if (found) return true;
  } while (state.next_member());
  return false;
}

int64_t DocumentReader::bytes_read() const {
  if (state_->archive) return state_->archive->bytes_read();
  return state_->lines ? state_->lines->bytes_read() : state_->text->bytes_read();
}

}  // namespace lf
