#include <algorithm>
#include <cstdlib>
#include <string>

#include "core/check.h"
#include "core/communicator/communicator.h"
#include "core/communicator/mpi_transport.h"
#include "core/communicator/over_transport.h"
#include "core/loaded_library.h"

namespace lf {

bool started_by_mpi() {
  // Open MPI, MPICH and its relatives, and SLURM's own start of either.
  const auto names = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};
  return std::any_of(names.begin(), names.end(),
                     [](const char* name) { return std::getenv(name) != nullptr; });
}

namespace {

// A launcher of another MPI than the library's: each process would take itself for a run of its own.
void check_launcher(int size) {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"}) {
    const char* const started = std::getenv(name);
    if (!started) continue;
    if (std::string(started) == std::to_string(size)) return;
    throw UsageError(text("the launcher started ", started, " processes, but MPI knows of ", size,
                          ": the launcher belongs to another MPI than ", program_folder(),
                          "/liblongform_mpi.so, which was built for Open MPI or for MPICH"));
  }
}

}  // namespace

std::unique_ptr<Communicator> over_mpi(const Patience& patience, const Alarm& alarm) {
  // The program's run path names its folder in an installed layout; in a build it is the program's own.
  static const LoadedLibrary library(
      "a run of several processes", "liblongform_mpi.so", {program_folder()},
      "it comes with builds that found MPI, and needs the MPI that it was built for");
  return over_transport(
      [] {
        std::unique_ptr<Transport> transport(
            library.function<decltype(longform_start_mpi)>("longform_start_mpi")());
        check_launcher(transport->size());
        return transport;
      },
      patience, alarm);
}

}  // namespace lf
