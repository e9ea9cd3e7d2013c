#include "autograd/row_exchange.h"

#include <utility>

#include "core/kernels/kernels.h"
#include "core/profile.h"

namespace lf {
namespace {

Tensor rows_like(const Tensor& x, int64_t rows) {
  std::vector<int64_t> dims = x.shape().dims();
  dims.front() = rows;
  return Tensor::empty(Shape(dims), x.dtype(), x.device());
}

// Calls f(piece, row) for every piece of an owner, `row` being where it stands in the message.
void for_each_piece(const WantedRows& wanted, int owner, auto&& f) {
  int64_t row = 0;
  for (const RowPiece& piece : wanted.pieces) {
    if (piece.owner != owner) continue;
    f(piece, row);
    row += piece.rows;
  }
}

void copy_rows(const Tensor& from, int64_t begin, const Tensor& to, int64_t place, int64_t rows) {
  to.slice(place, place + rows).copy_from(from.slice(begin, begin + rows));
}

}  // namespace

void WantedRows::add(int owner, int64_t from, int64_t count) {
  RowPiece* const last = pieces.empty() ? nullptr : &pieces.back();
  if (last && last->owner == owner && last->from + last->rows == from)
    last->rows += count;
  else
    pieces.push_back({owner, from, rows, count});
  rows += count;
}

RowExchange::RowExchange(std::shared_ptr<Communicator> ranks, std::vector<WantedRows> wanted,
                         int64_t own_rows)
    : ranks_(std::move(ranks)), wanted_(std::move(wanted)), own_rows_(own_rows) {}

int64_t RowExchange::rows_between(int owner, int receiver) const {
  int64_t rows = 0;
  for_each_piece(wanted_[static_cast<size_t>(receiver)], owner,
                 [&](const RowPiece& piece, int64_t) { rows += piece.rows; });
  return rows;
}

std::vector<Tensor> RowExchange::fetch(const std::vector<Tensor>& own) const {
  const Phase phase("fetch_rows");
  const int me = ranks_->rank();
  std::vector<Tensor> fetched;
  std::vector<Communicator::Parcel> sent, received;
  for (const Tensor& x : own) {
    CHECK(x.dim(0) == own_rows_, "ranks: ", x.shape(), " has not the ", own_rows_, " rows of this slice");
    fetched.push_back(rows_like(x, mine().rows));
    for_each_piece(mine(), me, [&](const RowPiece& piece, int64_t) {
      copy_rows(x, piece.from, fetched.back(), piece.to, piece.rows);
    });
    for (int peer = 0; peer < ranks_->size(); ++peer) {
      if (peer == me) continue;
      if (const int64_t rows = rows_between(me, peer); rows > 0) {
        sent.push_back({peer, rows_like(x, rows)});
        for_each_piece(wanted_[static_cast<size_t>(peer)], me, [&](const RowPiece& piece, int64_t row) {
          copy_rows(x, piece.from, sent.back().content, row, piece.rows);
        });
      }
      if (const int64_t rows = rows_between(peer, me); rows > 0)
        received.push_back({peer, rows_like(x, rows)});
    }
  }
  ranks_->exchange(sent, received);
  size_t next = 0;
  for (Tensor& y : fetched) {
    for (int peer = 0; peer < ranks_->size(); ++peer) {
      if (peer == me || rows_between(peer, me) == 0) continue;
      const Tensor& content = received[next++].content;
      for_each_piece(mine(), peer, [&](const RowPiece& piece, int64_t row) {
        copy_rows(content, row, y, piece.to, piece.rows);
      });
    }
  }
  return fetched;
}

std::vector<Tensor> RowExchange::give_back(const std::vector<Tensor>& fetched) const {
  const Phase phase("give_back_rows");
  const int me = ranks_->rank();
  std::vector<Communicator::Parcel> sent, received;
  for (const Tensor& x : fetched) {
    for (int peer = 0; peer < ranks_->size(); ++peer) {
      if (peer == me) continue;
      if (const int64_t rows = rows_between(peer, me); rows > 0) {
        sent.push_back({peer, rows_like(x, rows)});
        for_each_piece(mine(), peer, [&](const RowPiece& piece, int64_t row) {
          copy_rows(x, piece.to, sent.back().content, row, piece.rows);
        });
      }
      if (const int64_t rows = rows_between(me, peer); rows > 0)
        received.push_back({peer, rows_like(x, rows)});
    }
  }
  ranks_->exchange(sent, received);
  std::vector<Tensor> sums;
  size_t next = 0;
  for (const Tensor& x : fetched) {
    sums.push_back(rows_like(x, own_rows_));
    sums.back().fill_zero();
    const auto add = [&](const Tensor& part, int64_t begin, const RowPiece& piece) {
      Tensor sum = sums.back().slice(piece.from, piece.from + piece.rows);
      kernels::accumulate(part.slice(begin, begin + piece.rows), sum);
    };
    for (int peer = 0; peer < ranks_->size(); ++peer) {
      const Tensor& part = peer == me ? x : rows_between(me, peer) > 0 ? received[next++].content : Tensor();
      for_each_piece(wanted_[static_cast<size_t>(peer)], me, [&](const RowPiece& piece, int64_t row) {
        add(part, peer == me ? piece.to : row, piece);
      });
    }
  }
  return sums;
}

}  // namespace lf
