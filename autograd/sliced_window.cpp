#include "autograd/sliced_window.h"

#include <algorithm>
#include <utility>

namespace lf {

SlicedWindow::SlicedWindow(std::shared_ptr<const SequenceSlices> slices, const kernels::AttentionCall& call)
    : slices_(std::move(slices)),
      call_(call),
      rank_(slices_->ranks->rank()),
      sight_(slices_, call_),
      exchange_(slices_->ranks, sight_.wanted(), call.tokens()) {
  CHECK(call.offsets == slices_->offsets(rank_), "window_attention: a batch of ", call.sequences(),
        " sequences and ", call.tokens(), " tokens is not what rank ", rank_, "'s slices hold");
}

int64_t SlicedWindow::rows() const {
  int64_t result = 0;
  for (int64_t b = 0; b < slices_->sequences(); ++b) result += sight_.rows(b, rank_);
  return result;
}

int64_t SlicedWindow::query_begin(int64_t b) const {
  return slices_->begin(b, rank_) - sight_.stretch(b, rank_).begin;
}

// Calls f(row of the own tensors, row of the extended ones, rows) for every sequence's slice.
void SlicedWindow::for_each_slice(auto&& f) const {
  int64_t row = 0;
  for (int64_t b = 0; b < slices_->sequences(); ++b) {
    f(call_.begin(b), row + query_begin(b), call_.length(b));
    row += sight_.rows(b, rank_);
  }
}

Tensor SlicedWindow::extended(const Tensor& own) const {
  std::vector<int64_t> dims = own.shape().dims();
  dims.front() = rows();
  Tensor result = Tensor::zeros(Shape(dims), own.dtype(), own.device());
  for_each_slice([&](int64_t own_row, int64_t row, int64_t count) {
    result.slice(row, row + count).copy_from(own.slice(own_row, own_row + count));
  });
  return result;
}

void SlicedWindow::take_own(const Tensor& extended, const Tensor& own) const {
  for_each_slice([&](int64_t own_row, int64_t row, int64_t count) {
    own.slice(own_row, own_row + count).copy_from(extended.slice(row, row + count));
  });
}

std::vector<WindowPart> SlicedWindow::parts(Tensor mask) const {
  if (call_.globals) hide_globals(mask);
  std::vector<WindowPart> result;
  int64_t row = 0;
  for (int64_t b = 0; b < slices_->sequences(); ++b) {
    if (result.empty() || !are_alike(b, b - 1)) result.push_back(begin_part(b, row));
    add_sequence(result.back(), b);
    row += sight_.rows(b, rank_);
  }
  for (WindowPart& part : result)
    if (mask.defined()) part.call.mask = part.of(mask);
  return result;
}

// Then their slices begin at one token, too.
bool SlicedWindow::are_alike(int64_t a, int64_t b) const {
  return sight_.globals(a) == sight_.globals(b) && sight_.stretch(a, rank_) == sight_.stretch(b, rank_) &&
         call_.length(a) == call_.length(b);
}

WindowPart SlicedWindow::begin_part(int64_t b, int64_t row) const {
  WindowPart part{.row = row, .call = call_};
  part.call.offsets = {0};
  part.call.globals = nullptr;
  part.call.first_row = call_.first_row + b;
  part.call.first_token = sight_.stretch(b, rank_).begin;
  part.call.total_tokens = slices_->longest();
  part.call.query_begin = query_begin(b);
  part.call.query_end = part.call.query_begin + call_.length(b);
  return part;
}

void SlicedWindow::add_sequence(WindowPart& part, int64_t b) const {
  part.rows += sight_.rows(b, rank_);
  part.call.offsets.push_back(part.rows);
  if (!call_.globals) return;
  GlobalTokens globals = part.call.globals ? *part.call.globals : GlobalTokens{.offsets = {0}};
  for (int64_t n = 0; n < sight_.globals(b); ++n) {
    globals.positions.push_back(sight_.stretch(b, rank_).size() + n);
    part.call.global_places.push_back(sight_.global(b, n));
  }
  globals.offsets.push_back(static_cast<int64_t>(globals.positions.size()));
  part.call.globals = std::make_shared<const GlobalTokens>(std::move(globals));
}

// Global tokens within a slice or its halo are neither keys nor queries there.
void SlicedWindow::hide_globals(Tensor& mask) const {
  if (!mask.defined()) {
    mask = Tensor::empty({rows()}, DType::u8);
    std::fill_n(mask.data<uint8_t>(), mask.elements(), uint8_t{1});
  }
  int64_t row = 0;
  for (int64_t b = 0; b < slices_->sequences(); ++b) {
    const Stretch seen = sight_.stretch(b, rank_);
    for (int64_t n = 0; n < sight_.globals(b); ++n) {
      const int64_t token = sight_.global(b, n);
      if (token >= seen.begin && token < seen.end) mask.data<uint8_t>()[row + token - seen.begin] = 0;
    }
    row += sight_.rows(b, rank_);
  }
}

}  // namespace lf
