// longform: trains and runs Longformer models. One verb per file; `longform --help` lists them.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <new>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/verb.h"
#include "cli/verbs.h"
#include "core/check.h"
#include "core/communicator/communicator.h"
#include "core/contention.h"
#include "core/file_paths.h"
#include "core/messages.h"
#include "core/out_of_memory.h"
#include "core/threads.h"
#include "trainers/signals.h"

namespace {

using lf::kBadUsage, lf::kFailed;

// What needs less memory, by what was to be done.
const char* less_memory(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "", kind = argc > 2 ? argv[2] : "";
  if (verb == "bench" && kind == "attention") return "a smaller --batch or --length needs less";
  if (verb == "train" || (verb == "bench" && kind == "train"))
    return "a smaller model, micro_batch or recompute: true needs less";
  if (verb == "evaluate") return "a smaller evaluation.batch_size (--set) needs less";
  if (verb == "bench" && kind == "generate") return "a smaller --tokens needs less";
  if (verb == "generate") return "a smaller --length needs less";
  if (verb == "predict") return "shorter records, or fewer rows in one, need less";
  if (verb == "score") return "texts of several lines, a sentence each, need less";
  return "it needs a machine with more memory, or one that is less busy";
}

void run(int argc, char** argv, lf::cli::Outcome& outcome) {
  lf::cli::run_command_line(argc, argv, [&](const lf::cli::Verb& app) {
    for (const auto add : {lf::cli::add_train, lf::cli::add_evaluate, lf::cli::add_generate,
                           lf::cli::add_check, lf::cli::add_prepare, lf::cli::add_tokenize,
                           lf::cli::add_convert, lf::cli::add_predict, lf::cli::add_score,
                           lf::cli::add_inspect, lf::cli::add_plot, lf::cli::add_bench, lf::cli::add_env}) {
      add(app, outcome);
    }
  });
}

// A stream that the caller has closed must not become the first file that is opened: messages would be
// written into it. Writing to what stands there instead fails, as it would have.
void occupy_standard_streams() {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) < 0) (void)!::open("/dev/null", O_RDONLY);  // takes the lowest free number
  }
}

}  // namespace

int main(int argc, char** argv) {
  // The other verbs end by any signal at once, as every program does: they have nothing to save.
  if (argc > 1 && std::strcmp(argv[1], "train") == 0) lf::hold_signals();
  lf::start_threads();
  const lf::ContentionWatch watch;
  // A file-size limit and a reader that is gone are then errors of the write, which have a message, instead
  // of a silent death.
  for (const int signal : {SIGXFSZ, SIGPIPE}) std::signal(signal, SIG_IGN);
  occupy_standard_streams();
  lf::cli::Outcome outcome;
  try {
    run(argc, argv, outcome);
    lf::cli::check_standard_output();
    return outcome.exit_code;
  } catch (const lf::OtherRankFailed& error) {
    lf::messages::detail(error.what());
    return error.exit_code();
  } catch (const lf::UsageError& error) {
    lf::messages::error(error.what());
    return kBadUsage;
  } catch (const lf::OutOfMemory& error) {
    lf::messages::error(std::string(error.what()) + "; " + less_memory(argc, argv));
    return kFailed;
  } catch (const std::bad_alloc&) {
    lf::messages::error(std::string("out of memory; ") + less_memory(argc, argv));
    return kFailed;
  } catch (const std::filesystem::filesystem_error& error) {
    lf::messages::error(lf::explained(error));
    return kFailed;
  } catch (const std::exception& error) {
    lf::messages::error(error.what());
    return kFailed;
  }
}
