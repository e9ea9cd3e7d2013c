#include "cli/launch.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "core/check.h"
#include "core/communicator/communicator.h"
#include "core/files.h"

namespace lf::cli {
namespace {

// Open MPI starts nothing for root, and no more ranks than cores, unless it is told that this is meant.
void allow_what_was_asked_for() {
  for (const char* name :
       {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "OMPI_MCA_rmaps_base_oversubscribe"})
    ::setenv(name, "1", 0);
  ::setenv("PRTE_MCA_rmaps_default_mapping_policy", ":oversubscribe", 0);
}

}  // namespace

std::vector<std::string> own_arguments_without(const std::vector<std::string>& options) {
  std::ifstream file("/proc/self/cmdline", std::ios::binary);
  std::vector<std::string> arguments;
  std::string word;
  std::getline(file, word, '\0');  // the program
  while (std::getline(file, word, '\0')) {
    const auto names = [&](const std::string& option) {
      return word == option || word.starts_with(option + "=");
    };
    if (std::none_of(options.begin(), options.end(), names))
      arguments.push_back(word);
    else if (word.find('=') == std::string::npos)
      std::getline(file, word, '\0');  // its value
  }
  return arguments;
}

std::vector<std::string> command_of(const std::vector<std::string>& arguments, int64_t ranks) {
  std::vector<std::string> command;
  if (ranks > 1) {
    allow_what_was_asked_for();
    const char* const launcher = std::getenv("LF_MPIRUN");
    command = {launcher ? launcher : "mpirun", "-n", std::to_string(ranks)};
    if (std::ranges::find(arguments, ":") != arguments.end())
      throw UsageError("launchers of MPI take an argument \":\" for their own; leave out --ranks");
  }
  command.push_back(std::filesystem::read_symlink("/proc/self/exe").string());
  command.insert(command.end(), arguments.begin(), arguments.end());
  return command;
}

void become(const std::vector<std::string>& command) {
  std::vector<char*> argv;
  for (const std::string& word : command) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  ::execvp(argv[0], argv.data());
  const std::string line = text("error: cannot start ", command.front(), ": ", reason(errno), "\n");
  (void)!::write(STDERR_FILENO, line.data(), line.size());
  ::_exit(kFailed);
}

void become_ranks(int64_t ranks) {
  if (started_by_mpi()) throw UsageError("--ranks starts ranks; leave the launcher out");
  become(command_of(own_arguments_without({"--ranks"}), ranks));
}

}  // namespace lf::cli
