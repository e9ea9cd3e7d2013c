#include <algorithm>
#include <cstdlib>
#include <iterator>

#include "core/communicator/communicator.h"
#include "core/communicator/mpi_processes.h"
#include "core/loaded_library.h"

namespace lf {
namespace {

class OverMpi : public Communicator {
 public:
  explicit OverMpi(MpiProcesses* processes) : processes_(processes) {}

  int rank() const override { return processes_->rank(); }
  int size() const override { return processes_->size(); }
  void sum(Tensor& x) override {
    visit_float(x.dtype(),
                [&]<class T>() { processes_->sum(x.template data<T>(), x.dtype(), x.elements()); });
  }
  void sum(std::vector<double>& values) override {
    processes_->sum(values.data(), DType::f64, std::ssize(values));
  }
  int64_t maximum(int64_t value) override { return processes_->maximum(value); }
  void barrier() override { processes_->barrier(); }

 private:
  std::unique_ptr<MpiProcesses> processes_;
};

}  // namespace

bool started_by_mpi() {
  // Open MPI, MPICH and its relatives, and SLURM's own start of either.
  const auto names = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};
  return std::any_of(names.begin(), names.end(),
                     [](const char* name) { return std::getenv(name) != nullptr; });
}

std::unique_ptr<Communicator> over_mpi() {
  // The program's run path names its folder in an installed layout; in a build it is the program's own.
  static const LoadedLibrary library("a run of several processes", "liblongform_mpi.so", {program_folder()},
                                     "it comes with builds that found MPI, and needs Open MPI 4 or 5 to run");
  return std::make_unique<OverMpi>(library.function<decltype(longform_start_mpi)>("longform_start_mpi")());
}

}  // namespace lf
