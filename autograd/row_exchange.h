// Rows of tensors that travel between ranks: every rank has a tensor of rows of its own and wants another,
// made of rows of all ranks' tensors; and the way back for gradients.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "core/communicator/communicator.h"
#include "core/tensor.h"

namespace lf {

// Rows [from, from + rows) of what `owner` has are rows [to, to + rows) of what is wanted.
struct RowPiece {
  int owner = 0;
  int64_t from = 0, to = 0, rows = 0;
};

// What one rank wants.
struct WantedRows {
  int64_t rows = 0;  // of its tensor
  std::vector<RowPiece> pieces;

  // The next `count` rows are the owner's from `from` on.
  void add(int owner, int64_t from, int64_t count);
};

// Every member must be called by all ranks, in the same order.
class RowExchange {
 public:
  // wanted: of every rank, the same on all of them; own_rows: of what this rank has.
  RowExchange(std::shared_ptr<Communicator> ranks, std::vector<WantedRows> wanted, int64_t own_rows);

  // Tensors (own_rows, ...) -> what this rank wants of each of them (rows, ...).
  std::vector<Tensor> fetch(const std::vector<Tensor>& own) const;
  // Its adjoint: every own row's sum over all places to which it was fetched, in the order of ranks.
  std::vector<Tensor> give_back(const std::vector<Tensor>& fetched) const;

 private:
  const WantedRows& mine() const { return wanted_[static_cast<size_t>(ranks_->rank())]; }
  int64_t rows_between(int owner, int receiver) const;

  std::shared_ptr<Communicator> ranks_;
  std::vector<WantedRows> wanted_;
  int64_t own_rows_;
};

}  // namespace lf
