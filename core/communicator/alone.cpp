#include "core/communicator/communicator.h"

namespace lf {
namespace {

class Alone : public Communicator {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  void sum(Tensor&) override {}
  void sum(std::vector<double>&) override {}
  int64_t maximum(int64_t value) override { return value; }
  void barrier() override {}
};

}  // namespace

std::unique_ptr<Communicator> alone() { return std::make_unique<Alone>(); }

}  // namespace lf
