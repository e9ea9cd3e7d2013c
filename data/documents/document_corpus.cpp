#include "data/documents/document_corpus.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <future>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/failpoint.h"
#include "core/hash.h"
#include "core/threads.h"
#include "data/documents/parts.h"
#include "data/documents/pieces.h"
#include "data/documents/split_plan.h"
#include "data/first_names.h"
#include "data/output_folder.h"
#include "data/token_file.h"

namespace lf {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSplits[3] = {"train", "validation", "test"};
constexpr const char* kDescription = "documents.json";
// Sources that become one stream of tokens.
struct Stream {
  std::string split;  // "all" or the one split that it is
  std::vector<DocumentFile> files;
  PartStream encoded = {};
};

void check_request(const DocumentRequest& request) {
  const DocumentTokenizer& tokenizer = request.tokenizer;
  CHECK(tokenizer.encode, "prepare documents: no tokenizer was given");
  CHECK(tokenizer.vocabulary_size >= 1 && tokenizer.vocabulary_size <= 65536,
        "prepare documents: a vocabulary of ", tokenizer.vocabulary_size,
        " does not fit token files, which hold ids below 65,536");
  CHECK(tokenizer.special.end && *tokenizer.special.end < tokenizer.vocabulary_size,
        "prepare documents: the tokenizer has no </s> to put behind a document");
  const bool cuts_validation = request.validation_sources.empty(), cuts_test = request.test_sources.empty();
  const double validation = cuts_validation ? request.split.validation : 0;
  const double test = cuts_test ? request.split.test : 0;
  if ((cuts_validation && !(validation > 0)) || (cuts_test && !(test > 0)) || !(validation + test < 1)) {
    throw UsageError(text("split: validation ", validation, " and test ", test,
                          " must be fractions above 0 that leave something for training"));
  }
  if (request.sources.empty()) throw UsageError("prepare documents: no source was given");
  if (request.threads < 0 || request.part_bytes < 1) {
    throw UsageError(text("prepare documents: ", request.threads, " threads and parts of ",
                          request.part_bytes, " bytes, needed at least 1"));
  }
}

// No text may be in two splits, nor twice in one.
void check_distinct(const std::vector<Stream>& streams) {
  std::set<std::string> seen;
  for (const Stream& stream : streams) {
    for (const DocumentFile& file : stream.files) {
      const bool first = seen.insert(fs::canonical(file.path).string()).second;
      if (!first) throw UsageError(text(file.path, " is given twice; each file can be in one split once"));
    }
  }
}

// A folder of sources must not change by being read.
void check_folder(const DocumentRequest& request) {
  const std::string folder = fs::weakly_canonical(request.folder).string() + "/";
  for (const auto* sources : {&request.sources, &request.validation_sources, &request.test_sources}) {
    for (const std::string& source : *sources) {
      const bool inside =
          fs::is_directory(source) && folder.starts_with(fs::canonical(source).string() + "/");
      if (inside)
        throw UsageError(
            text("the folder ", request.folder, " lies in the source ", source, "; choose one outside it"));
    }
  }
}

// The streams in their order: what splits are cut from, then the splits with sources of their own.
std::vector<Stream> find_streams(const DocumentRequest& request, DocumentCorpus& corpus) {
  const bool whole = !request.validation_sources.empty() && !request.test_sources.empty();
  std::vector<Stream> streams;
  const auto add = [&](const std::string& split, const std::vector<std::string>& sources) {
    if (sources.empty()) return;
    DocumentFiles found = find_documents(sources);
    streams.push_back({.split = split, .files = std::move(found.files)});
    if (found.left_out.empty()) return;
    FirstNames names;
    for (const std::string& name : found.left_out) names.add(name);
    corpus.warnings.push_back(
        text(names.count(), " files are no documents and were left out: ", names.list()));
  };
  add(whole ? "train" : "all", request.sources);
  add("validation", request.validation_sources);
  add("test", request.test_sources);
  check_distinct(streams);
  return streams;
}

void describe_sources(const std::vector<Stream>& streams, const CorpusProgress& progress,
                      DocumentCorpus& corpus) {
  int64_t total = 0, done = 0;
  for (const Stream& stream : streams) {
    for (const DocumentFile& file : stream.files) total += file.bytes;
  }
  for (const Stream& stream : streams) {
    for (const DocumentFile& file : stream.files) {
      corpus.sources.push_back({.name = file.name,
                                .split = stream.split,
                                .bytes = file.bytes,
                                .sha256 = digest_of_file(Digest::kSha256, file.path)});
      done += file.bytes;
      if (progress) progress("checksum", done, total);
    }
  }
}

// Encodes what no earlier attempt has encoded. While a part is encoded, the next one's text is read.
void encode(Stream& stream, const DocumentRequest& request, const PartsFolder& folder, int64_t bytes_before,
            int64_t total_bytes, DocumentCorpus& corpus) {
  const int threads = request.threads > 0 ? request.threads : num_threads();
  PartReader reader(stream.files, {.paragraphs = request.paragraphs,
                                   .part_bytes = static_cast<size_t>(request.part_bytes)});
  const auto read = [&reader] { return reader.next(); };
  std::optional<TextPart> part = read();
  while (part) {
    const int64_t bytes_read = reader.bytes_read();
    std::future<std::optional<TextPart>> next = std::async(std::launch::async, read);
    const std::string key = part_key(*part, request.tokenizer);
    if (!folder.has(key)) save_part(folder.path_of(key), encode_part(*part, request.tokenizer, threads));
    stream.encoded.parts.push_back(folder.path_of(key));
    const PartFile file(stream.encoded.parts.back());
    stream.encoded.tokens += static_cast<int64_t>(file.tokens().size());
    if (request.progress) request.progress("encode", bytes_before + bytes_read, total_bytes);
    part = next.get();
  }
  corpus.empty_documents += reader.empty_documents();
}

// The tokens of each split, in the order of kSplits.
std::array<StreamSegment, 3> plan_splits(const std::vector<Stream>& streams, const DocumentRequest& request) {
  const PartStream& first = streams.front().encoded;
  const auto find = [&streams](const std::string& split) {
    return std::find_if(streams.begin(), streams.end(), [&](const Stream& s) { return s.split == split; });
  };
  const double shares[3] = {1, request.split.validation, request.split.test};
  std::array<StreamSegment, 3> segments;
  // From the end: test, then validation, then what is left for training.
  int64_t end = first.tokens;
  double share_behind = 0;
  for (size_t i = 3; i-- > 0;) {
    const auto own = i == 0 ? streams.end() : find(kSplits[i]);
    if (own != streams.end()) {
      segments[i] = {&own->encoded, 0, own->encoded.tokens};
    } else {
      const int64_t begin = i == 0 ? 0 : find_split_begin(first, shares[i], share_behind);
      segments[i] = {&first, std::min(begin, end), end};
      share_behind += shares[i];
      end = segments[i].begin;
    }
    CHECK(segments[i].end > segments[i].begin, "the ", kSplits[i],
          " split would be empty: ", segments[i].stream->tokens,
          " tokens are too few to cut; take larger shares (--validation, --test) or more text");
  }
  return segments;
}

Provenance provenance_of(const DocumentCorpus& corpus, const std::string& split) {
  std::string list, name;
  int64_t count = 0;
  for (const DocumentSourceFile& source : corpus.sources) {
    if (source.split != "all" && source.split != split) continue;
    list += text(source.sha256, "  ", source.name, "\n");
    name = source.name;
    ++count;
  }
  return {
      .corpus = "documents",
      .split = split,
      .newlines = "keep",
      .source = count == 1 ? name : text(count, " files"),
      .source_sha256 = digest(Digest::kSha256, {reinterpret_cast<const uint8_t*>(list.data()), list.size()}),
      .original_bytes = 0};
}

// The writer of a split that is complete but not yet published.
std::unique_ptr<TokenFileWriter> write_split(const StreamSegment& segment, const std::string& name,
                                             const DocumentCorpus& corpus, DocumentSplit& split) {
  split = count_split(segment);
  split.path = corpus.folder + "/" + name + ".tokens";
  Provenance provenance = provenance_of(corpus, name);
  provenance.original_bytes = split.bytes;
  auto writer = std::make_unique<TokenFileWriter>(split.path, TokenType::kU16, corpus.vocabulary_size,
                                                  std::vector<uint8_t>{}, provenance);
  append_segment(segment, *writer);
  split.content_hash = writer->finish().content_hash;
  return writer;
}

void write_corpus(const std::array<StreamSegment, 3>& segments, const CorpusProgress& progress,
                  DocumentCorpus& corpus) {
  DocumentSplit* const splits[3] = {&corpus.train, &corpus.validation, &corpus.test};
  std::vector<std::unique_ptr<TokenFileWriter>> writers;
  for (size_t i = 0; i < 3; ++i) {
    writers.push_back(write_split(segments[i], kSplits[i], corpus, *splits[i]));
    if (progress) progress("write", static_cast<int64_t>(i) + 1, 3);
  }
  AtomicFile description(corpus.folder + "/" + kDescription);
  description.write(document_corpus_json(corpus));
  // Everything is written by now: only renames are left, and documents.json, which pins the others' hashes,
  // is last.
  for (const auto& writer : writers) {
    failpoint("documents.commit");
    writer->commit();
  }
  failpoint("documents.commit");
  description.commit();
}

}  // namespace

DocumentCorpus prepare_documents(const DocumentRequest& request) {
  check_request(request);
  check_folder(request);
  check_holds_no_run(request.folder);
  DocumentCorpus corpus;
  corpus.folder = request.folder;
  corpus.tokenizer_hash = request.tokenizer.hash;
  corpus.vocabulary_size = request.tokenizer.vocabulary_size;
  corpus.special = request.tokenizer.special;
  corpus.paragraphs = request.paragraphs;
  std::vector<Stream> streams = find_streams(request, corpus);
  describe_sources(streams, request.progress, corpus);
  std::vector<std::string> sources;
  for (const DocumentSourceFile& source : corpus.sources) sources.push_back(source.sha256);
  check_output_folder(request.folder, sources);

  PartsFolder folder(request.folder);
  int64_t total_bytes = 0, bytes_before = 0;
  for (const DocumentSourceFile& source : corpus.sources) total_bytes += source.bytes;
  for (Stream& stream : streams) {
    encode(stream, request, folder, bytes_before, total_bytes, corpus);
    for (const DocumentFile& file : stream.files) bytes_before += file.bytes;
  }
  if (corpus.empty_documents > 0)
    corpus.warnings.push_back(text(corpus.empty_documents, " documents are empty and add nothing"));
  write_corpus(plan_splits(streams, request), request.progress, corpus);
  failpoint("documents.parts_removal");
  folder.remove();
  return corpus;
}

}  // namespace lf
