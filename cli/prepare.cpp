// longform prepare enwik8|text8|bytes [SOURCE] --out FOLDER [--newlines keep|strip] [--download]; for
// longform prepare documents see prepare_documents.cpp.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/prepare_documents.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "core/choices.h"
#include "core/messages.h"
#include "data/characters/corpus.h"
#include "data/characters/download.h"
#include "data/output_folder.h"
#include "trainers/report/console.h"

namespace lf::cli {
namespace {

struct Options {
  std::string kind, source, out, newlines = "keep";
  SplitFractions split;
  bool official = false, download = false, json = false;
};

void report(const PreparedCorpus& corpus) {
  std::printf("%s: %lld bytes%s, %zu symbols, newlines %s\n", corpus.source.c_str(),
              static_cast<long long>(corpus.source_bytes), corpus.official ? ", the official file" : "",
              corpus.symbols.size(), choice_name(corpus.newlines).c_str());
  const auto line = [](const char* name, const PreparedSplit& split) {
    std::printf("  %-10s %12lld characters  %s\n", name, static_cast<long long>(split.tokens),
                split.path.c_str());
  };
  line("train", corpus.train);
  line("validation", corpus.validation);
  line("test", corpus.test);
}

void prepare(Options options) {
  // CLI11 would ask for these of `prepare documents` as well.
  if (options.kind.empty()) throw UsageError("prepare: name enwik8, text8, bytes or documents");
  if (options.out.empty()) throw UsageError("prepare " + options.kind + ": --out is required");
  Console console;
  const CorpusProgress progress = [&](const std::string& phase, int64_t done, int64_t total) {
    if (!console.live()) return;
    Progress line;
    line.stage = phase;
    line.step = done;
    line.total_steps = total;
    console.progress(line);
  };
  const CorpusKind kind = choice_of<CorpusKind>("the kind of corpus", options.kind);
  if (options.source.empty() && !options.download) {
    throw UsageError("prepare " + options.kind +
                     ": name the file, packed or not, or fetch the official one with --download");
  }
  check_holds_no_run(options.out);  // before anything is fetched into it
  if (options.download) options.source = download_corpus(kind, options.out, progress);
  CorpusRequest request;
  request.source = options.source;
  request.kind = kind;
  request.newlines = choice_of<Newlines>("--newlines", options.newlines);
  request.split = options.split;
  request.folder = options.out;
  request.require_official = options.official;
  request.progress = progress;
  const PreparedCorpus corpus = prepare_corpus(request);
  console.finish_line();
  messages::warnings(corpus.warnings);
  if (options.json) {
    std::printf("%s\n", nlohmann::ordered_json::parse(corpus_json(corpus)).dump().c_str());
  } else {
    report(corpus);
  }
}

}  // namespace

void add_prepare(const Verb& app, Outcome&) {
  auto options = std::make_shared<Options>();
  const Verb verb =
      app.verb("prepare", "Turn a corpus into token files of a train, validation and test split.");
  verb.option("kind", &options->kind, "enwik8, text8 or bytes");
  verb.option("source", &options->source, "Raw file, .gz, or .zip or .tar.gz with one file in it");
  verb.option("--out", &options->out, "Folder for the token files");
  verb.option("--newlines", &options->newlines,
              "keep (default), or strip as the Transformer-XL pipeline does");
  verb.option("--validation", &options->split.validation, "Share of the bytes before the test split (0.05)");
  verb.option("--test", &options->split.test, "Share of the bytes at the end (0.05)");
  verb.flag("--official", &options->official, "Refuse anything but the published file");
  verb.flag("--download", &options->download, "Fetch the official archive into the folder first");
  verb.flag("--json", &options->json, "One JSON object on standard output");
  add_prepare_documents(verb);
  verb.action([verb, options] {
    if (!verb.has_given_verb()) prepare(*options);
  });
}

}  // namespace lf::cli
