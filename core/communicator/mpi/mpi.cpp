// Processes on one or many machines, through MPI.
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <type_traits>

#include "core/communicator/communicator.h"

namespace lf {
namespace {

void check(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> words{};
  int length = 0;
  MPI_Error_string(status, words.data(), &length);
  throw Error(text("MPI: ", what, ": ", std::string(words.data(), static_cast<size_t>(length))));
}

template <class T>
MPI_Datatype type_of() {
  if constexpr (std::is_same_v<T, double>) return MPI_DOUBLE;
  if constexpr (std::is_same_v<T, float>) return MPI_FLOAT;
  return MPI_UINT16_T;  // bf16: MPI only carries it, the sums are ours
}

class OverMpi : public Communicator {
 public:
  OverMpi() {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "starting");
    CHECK(provided >= MPI_THREAD_FUNNELED, "MPI: this library supports no threads at all; OpenMP needs some");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "setting the error handler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "asking for the rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "asking for the number of ranks");
  }
  ~OverMpi() override { MPI_Finalize(); }
  OverMpi(const OverMpi&) = delete;
  OverMpi& operator=(const OverMpi&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void sum(Tensor& x) override {
    visit_float(x.dtype(), [&]<class T>() { sum_in_pieces(x.data<T>(), x.elements()); });
  }
  void sum(std::vector<double>& values) override { sum_in_pieces(values.data(), std::ssize(values)); }

  int64_t maximum(int64_t value) override {
    int64_t largest = value;
    check(MPI_Allreduce(&value, &largest, 1, MPI_INT64_T, MPI_MAX, MPI_COMM_WORLD), "finding a maximum");
    return largest;
  }

  void barrier() override { check(MPI_Barrier(MPI_COMM_WORLD), "waiting for all ranks"); }

 private:
  // MPI counts elements with an int, and a rank holds a copy of its slice from every rank.
  static constexpr int64_t kPiece = 1 << 26;

  template <class T>
  void sum_in_pieces(T* values, int64_t count) {
    for (int64_t done = 0; done < count; done += kPiece) {
      sum_in_rank_order(values + done, static_cast<int>(std::min(kPiece, count - done)));
    }
  }

  // Each rank adds one slice of everybody's values and hands its sum to all. MPI's own reduction may add in
  // any order, which another number of machines or another message size changes.
  template <class T>
  void sum_in_rank_order(T* values, int count) {
    std::vector<int> lengths, begins;
    for (int r = 0; r < size_; ++r) {
      begins.push_back(static_cast<int>(int64_t{count} * r / size_));
      lengths.push_back(static_cast<int>(int64_t{count} * (r + 1) / size_) - begins.back());
    }
    const int mine = lengths[static_cast<size_t>(rank_)];
    std::vector<T> received(static_cast<size_t>(mine) * static_cast<size_t>(size_));
    std::vector<int> equal(static_cast<size_t>(size_), mine), places;
    for (int r = 0; r < size_; ++r) places.push_back(r * mine);
    check(MPI_Alltoallv(values, lengths.data(), begins.data(), type_of<T>(), received.data(), equal.data(),
                        places.data(), type_of<T>(), MPI_COMM_WORLD),
          "exchanging slices");
    std::vector<T> sums(received.begin(), received.begin() + mine);
    for (int i = 0; i < mine; ++i) {
      using A = Accumulator<T>;
      A total = static_cast<A>(received[static_cast<size_t>(i)]);
      for (int r = 1; r < size_; ++r) total += static_cast<A>(received[static_cast<size_t>(r * mine + i)]);
      sums[static_cast<size_t>(i)] = static_cast<T>(total);
    }
    check(MPI_Allgatherv(sums.data(), mine, type_of<T>(), values, lengths.data(), begins.data(), type_of<T>(),
                         MPI_COMM_WORLD),
          "gathering the sums");
  }

  int rank_ = 0, size_ = 1;
};

}  // namespace

bool started_by_mpi() {
  // Open MPI, MPICH and its relatives, and SLURM's own start of either.
  const auto names = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK"};
  return std::any_of(names.begin(), names.end(),
                     [](const char* name) { return std::getenv(name) != nullptr; });
}

std::unique_ptr<Communicator> over_mpi() { return std::make_unique<OverMpi>(); }

}  // namespace lf
