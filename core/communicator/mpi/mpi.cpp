// Processes on one or many machines, through MPI: all of liblongform_mpi.so.
#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string>
#include <type_traits>
#include <vector>

#include "core/communicator/mpi_processes.h"

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

class Started : public MpiProcesses {
 public:
  Started() {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "starting");
    CHECK(provided >= MPI_THREAD_FUNNELED, "MPI: this library supports no threads at all; OpenMP needs some");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "setting the error handler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "asking for the rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "asking for the number of ranks");
  }
  ~Started() override { MPI_Finalize(); }
  Started(const Started&) = delete;
  Started& operator=(const Started&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  void sum(void* values, DType dtype, int64_t count) override {
    visit_float(dtype, [&]<class T>() { sum_in_pieces(static_cast<T*>(values), count); });
  }

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
}  // namespace lf

lf::MpiProcesses* longform_start_mpi() { return new lf::Started; }
