// Runs the built program with its output and errors apart, for tests of what a user sees.
#pragma once

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "core/files.h"
#include "tests/child_process.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {

struct ProgramResult {
  int code = 0;
  std::string out, err;
};

inline std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

// A folder for one test's runs: its corpora are prepared inside it and the program computes in one thread.
class Program {
 public:
  const TemporaryFolder& folder() const { return folder_; }
  std::string operator/(const std::string& name) const { return folder_ / name; }

  void write(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary) << content;
  }

  // `before` is shell that runs first, say a limit.
  ProgramResult run(const std::vector<std::string>& arguments, const std::string& input = "",
                    const std::vector<std::string>& variables = {}, const std::string& before = "") const {
    write("stdin", input);
    for (const char* name : {"stdout", "stderr"}) std::filesystem::remove(folder_ / name);
    std::vector<std::string> command = {"/bin/sh", "-c",
                                        before + "exec \"$@\" <" + (folder_ / "stdin") + " >" +
                                            (folder_ / "stdout") + " 2>" + (folder_ / "stderr"),
                                        "sh", program_path()};
    command.insert(command.end(), arguments.begin(), arguments.end());
    std::vector<std::string> environment = {"XDG_CACHE_HOME=" + folder_.path() + "/cache",
                                            "OMP_NUM_THREADS=1"};
    environment.insert(environment.end(), variables.begin(), variables.end());
    const int code = ChildProcess(command, folder_ / "shell.txt", environment).wait();
    return {code, read_file(folder_ / "stdout"), read_file(folder_ / "stderr")};
  }

 private:
  TemporaryFolder folder_;
};

// Two layers, five updates, a corpus of 20 kB: a second of work.
inline constexpr const char* kTinyConfig = R"(
data: {path: CORPUS, kind: bytes}
model: {layers: 2, width: 32, heads: 2, feed_forward: 64, dropout: 0.1}
schedule: {warmup_steps: 3}
stages:
  list:
    - {name: a, sequence_length: 64, windows: [8, 16],
       learning_rate: 0.002, batch_size: 4, micro_batch: 2, steps: 3}
    - {name: b, sequence_length: 96, windows: [16, 16], dilation: [1, 2], dilated_heads: 1,
       learning_rate: 0.001,
       batch_size: 2, steps: 2}
validation: {every_steps: 2, tokens: 200}
evaluation: {sequence_length: 256, step: 128}
checkpoint: {every_steps: 2, every_minutes: 0, keep_last: 2}
log: {every_steps: 1}
)";

// Writes corpus.txt and config.yaml.
inline void write_tiny_config(const Program& program) {
  program.write("corpus.txt", read_file(source_path("data/samples/enwik8-1MB")).substr(0, 20000));
  program.write("config.yaml", with(kTinyConfig, "CORPUS", program / "corpus.txt"));
}

}  // namespace lf
