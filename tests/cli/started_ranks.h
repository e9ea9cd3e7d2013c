// Ranks as a user starts them, by the launcher of MPI.
#pragma once

#include <string>
#include <vector>

#include "tests/program.h"

namespace lf {

// Containers run as root, and more ranks than cores are usual in tests; ranks meet on the loopback interface.
inline const std::vector<std::string> kRanksEnvironment = {
    "OMPI_ALLOW_RUN_AS_ROOT=1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1",
    "OMPI_MCA_rmaps_base_oversubscribe=1",
    "PRTE_MCA_rmaps_default_mapping_policy=:oversubscribe",
    "OMPI_MCA_btl=self,vader,tcp",
    "OMPI_MCA_btl_tcp_if_include=lo",
    "OMP_NUM_THREADS=1",
    "ASAN_OPTIONS=detect_leaks=0"};

// The launcher's command line for so many ranks of the program. `before` is shell that runs in every rank
// first; $RANK is its number, whose process FOLDER/pid.RANK names.
inline std::vector<std::string> ranks_command(const std::string& launcher, int ranks, const Program& program,
                                              const std::vector<std::string>& arguments,
                                              const std::string& before = "") {
  const std::string script = "RANK=${OMPI_COMM_WORLD_RANK:-$PMI_RANK}; echo $$ > " + program.folder().path() +
                             "/pid.$RANK; " + before + "exec \"$@\"";
  std::vector<std::string> all = {launcher, "-n", std::to_string(ranks), "/bin/sh", "-c",
                                  script,   "sh", program_path()};
  all.insert(all.end(), arguments.begin(), arguments.end());
  return all;
}

// How often the program itself has said, on a line of `output`, that something is wrong.
inline int64_t errors_in(const std::string& output) {
  int64_t count = 0;
  for (const std::string& line : lines_of(output)) count += line.starts_with("error: ");
  return count;
}

}  // namespace lf
