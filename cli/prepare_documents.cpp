// longform prepare documents SOURCE... --tokenizer FOLDER --out FOLDER [--paragraphs] [--validation F]
//                            [--test F] [--validation-source S] [--test-source S] [--threads N]
//                            [--part-bytes N] [--json]
#include "cli/prepare_documents.h"

#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>

#include "core/check.h"
#include "core/messages.h"
#include "core/seconds.h"
#include "data/documents/document_corpus.h"
#include "data/documents/document_tokenizer.h"
#include "trainers/report/console.h"

namespace lf::cli {
namespace {

struct Options {
  DocumentRequest request;
  std::string tokenizer;
  bool json = false;
};

// Shows phases with the time that is left of them.
class PhaseProgress {
 public:
  explicit PhaseProgress(Console& console) : console_(&console) {}

  void operator()(const std::string& phase, int64_t done, int64_t total) {
    const double now = seconds_now();
    if (phase != phase_) {
      phase_ = phase;
      start_ = now;
      done_at_start_ = done;
    }
    const double seconds = now - start_;
    const auto worked = static_cast<double>(done - done_at_start_);
    Progress line;
    // Files count for the last phase, bytes, shown in kB, for the others.
    const bool in_bytes = phase != "write";
    line.stage = in_bytes ? phase + " (kB)" : phase;
    line.step = in_bytes ? done / 1000 : done;
    line.total_steps = in_bytes ? total / 1000 : total;
    if (worked > 0) line.seconds_left = seconds * static_cast<double>(total - done) / worked;
    console_->progress(line);
  }

 private:
  Console* console_;
  std::string phase_;
  double start_ = 0;
  int64_t done_at_start_ = 0;
};

void report(const DocumentCorpus& corpus) {
  std::printf("%zu files, a vocabulary of %lld, %s\n", corpus.sources.size(),
              static_cast<long long>(corpus.vocabulary_size),
              corpus.paragraphs ? "every paragraph encoded alone" : "every document encoded whole");
  const auto line = [](const char* name, const DocumentSplit& split) {
    std::printf("  %-10s %12lld tokens  %12lld characters  %9lld documents  %s\n", name,
                static_cast<long long>(split.tokens), static_cast<long long>(split.characters),
                static_cast<long long>(split.documents), split.path.c_str());
  };
  line("train", corpus.train);
  line("validation", corpus.validation);
  line("test", corpus.test);
}

void prepare_documents(const Options& options) {
  Console console;
  DocumentRequest request = options.request;
  request.tokenizer = document_tokenizer(std::make_shared<ByteLevelTokenizer>(options.tokenizer));
  request.progress = PhaseProgress(console);
  const DocumentCorpus corpus = lf::prepare_documents(request);
  console.finish_line();
  messages::warnings(corpus.warnings);
  if (options.json) {
    std::printf("%s\n", nlohmann::ordered_json::parse(document_corpus_json(corpus)).dump().c_str());
  } else {
    report(corpus);
  }
}

}  // namespace

void add_prepare_documents(const Verb& prepare) {
  auto options = std::make_shared<Options>();
  DocumentRequest& request = options->request;
  const Verb verb = prepare.verb(
      "documents",
      "Turn documents (.txt, .jsonl, gzipped or not, archives and folders of these) into token files.");
  verb.option("sources", &request.sources, "Files and folders of documents").required();
  verb.option("--tokenizer", &options->tokenizer, "Folder or file of a byte-level BPE tokenizer").required();
  verb.option("--out", &request.folder, "Folder for the token files").required();
  verb.flag("--paragraphs", &request.paragraphs,
            "Encode every paragraph (text between empty lines) alone, and drop the empty lines");
  verb.option("--validation", &request.split.validation, "Share of the tokens before the test split (0.05)");
  verb.option("--test", &request.split.test, "Share of the tokens at the end (0.05)");
  verb.option("--validation-source", &request.validation_sources,
              "File or folder that is the validation split, instead of a share; may be repeated");
  verb.option("--test-source", &request.test_sources,
              "File or folder that is the test split, instead of a share; may be repeated");
  verb.option("--threads", &request.threads, "Threads that encode (default: all)");
  verb.option("--part-bytes", &request.part_bytes,
              "Text that is encoded at once, and not again after an interruption (8388608)");
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { prepare_documents(*options); });
}

}  // namespace lf::cli
