#include <algorithm>
#include <cstdlib>

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

std::unique_ptr<Communicator> over_mpi(const Patience& patience, const Alarm& alarm) {
  // The program's run path names its folder in an installed layout; in a build it is the program's own.
  static const LoadedLibrary library("a run of several processes", "liblongform_mpi.so", {program_folder()},
                                     "it comes with builds that found MPI, and needs Open MPI 4 or 5 to run");
  return over_transport(
      [] {
        return std::unique_ptr<Transport>(
            library.function<decltype(longform_start_mpi)>("longform_start_mpi")());
      },
      patience, alarm);
}

}  // namespace lf
