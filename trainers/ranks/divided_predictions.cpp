#include "trainers/ranks/divided_predictions.h"

#include <algorithm>
#include <cstring>
#include <iterator>
#include <nlohmann/json.hpp>

#include "core/activity.h"
#include "core/profile.h"
#include "data/records.h"

namespace lf {
namespace {

using nlohmann::ordered_json;

template <class T>
void append_plain(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class T>
T take_plain(const std::string& bytes, size_t& place) {
  T value;
  CHECK(place + sizeof value <= bytes.size(), "a prediction of another rank came in pieces");
  std::memcpy(&value, bytes.data() + place, sizeof value);
  place += sizeof value;
  return value;
}

template <class Answer>
void answer_divided(Communicator& ranks, PredictionSink& sink, const Answer& answer) {
  if (ranks.size() == 1) return answer(sink);
  DividedPredictions divided(ranks, sink);
  answer(divided);
  divided.finish();
}

}  // namespace

int64_t DividedPredictions::Said::bytes() const {
  return std::ssize(words) + (values.defined() ? values.bytes() : 0);
}

std::string DividedPredictions::Said::packed() const {
  std::string bytes;
  append_plain(bytes, kind);
  if (!values.defined()) return bytes + words;
  append_plain(bytes, values.dtype());
  append_plain(bytes, values.shape().rank());
  for (const int64_t length : values.shape().dims()) append_plain(bytes, length);
  return bytes.append(reinterpret_cast<const char*>(values.raw()), static_cast<size_t>(this->bytes()));
}

DividedPredictions::Said DividedPredictions::Said::unpacked(const std::string& bytes) {
  size_t place = 0;
  Said said{.kind = take_plain<Kind>(bytes, place)};
  if (said.kind != Kind::kTensor && said.kind != Kind::kPart) {
    said.words = bytes.substr(place);
    return said;
  }
  const auto dtype = take_plain<DType>(bytes, place);
  std::vector<int64_t> dims;
  for (auto left = take_plain<int64_t>(bytes, place); left > 0; --left)
    dims.push_back(take_plain<int64_t>(bytes, place));
  said.values = Tensor::empty(Shape(dims), dtype);
  CHECK(std::ssize(bytes) - static_cast<int64_t>(place) == said.bytes(),
        "a tensor of another rank has other bytes than its shape");
  std::memcpy(said.values.raw(), bytes.data() + place, bytes.size() - place);
  return said;
}

DividedPredictions::DividedPredictions(Communicator& ranks, PredictionSink& whole, int64_t most_kept)
    : ranks_(ranks), whole_(whole), most_kept_(most_kept), work_(static_cast<size_t>(ranks.size())) {}

bool DividedPredictions::is_mine(int64_t work) {
  const auto least = std::ranges::min_element(work_);
  *least += work;
  const auto rank = static_cast<int>(least - work_.begin());
  if (ranks_.rank() == 0) unwritten_.push_back({rank, *least});
  if (rank != ranks_.rank()) return false;
  own_ends_.push_back(*least);
  if (Activity* const activity = Activity::current()) activity->begin_step(own_begun_ + 1);
  ++own_begun_;
  return true;
}

void DividedPredictions::end_piece() {
  ++own_ended_;
  own_work_ = own_ends_.front();
  own_ends_.pop_front();
  say({.kind = Said::Kind::kEnd});
}

void DividedPredictions::begin_tensors(const std::vector<TensorSpec>& specs) {
  if (ranks_.rank() == 0) whole_.begin_tensors(specs);
}
void DividedPredictions::tensor(const Tensor& values) {
  say({.kind = Said::Kind::kTensor, .values = values});
}
void DividedPredictions::part(const Tensor& values) { say({.kind = Said::Kind::kPart, .values = values}); }
void DividedPredictions::line(const ordered_json& answer) {
  const std::vector<uint8_t> bytes = ordered_json::to_cbor(answer);  // keeps every bit of numbers and texts
  say({.kind = Said::Kind::kLine, .words = std::string(bytes.begin(), bytes.end())});
}
void DividedPredictions::note(const std::string& message) {
  if (own_begun_ > own_ended_) return say({.kind = Said::Kind::kNote, .words = message});
  if (ranks_.rank() == 0) whole_.note(message);  // of all records, which every rank reads
}

void DividedPredictions::finish() {
  CHECK(own_begun_ == own_ended_, "predictions: a piece has not ended");
  write_pieces(true);
  const Phase phase("communication");
  for (auto& [pending, bytes] : sent_) pending.wait();
}

void DividedPredictions::say(Said said) {
  if (ranks_.rank() != 0) return send(said);
  kept_bytes_ += said.bytes();
  kept_.push_back(std::move(said));
  write_pieces(false);
}

void DividedPredictions::send(const Said& said) {
  std::string packed = said.packed();
  const auto bytes = static_cast<int64_t>(packed.size());
  sent_.emplace_back(ranks_.start_send(0, std::move(packed)), bytes);
  sent_bytes_ += bytes;
  const Phase phase("communication");
  while (sent_bytes_ > most_kept_ && sent_.size() > 1) {
    sent_.front().first.wait();
    sent_bytes_ -= sent_.front().second;
    sent_.pop_front();
  }
}

void DividedPredictions::write(const Said& said) {
  switch (said.kind) {
    case Said::Kind::kTensor:
      return whole_.tensor(said.values);
    case Said::Kind::kPart:
      return whole_.part(said.values);
    case Said::Kind::kLine:
      return whole_.line(ordered_json::from_cbor(said.words));
    case Said::Kind::kNote:
      return whole_.note(said.words);
    case Said::Kind::kEnd:
      return;
  }
}

// Writes pieces in their order: of its own what there is, of another rank's those that it has computed by
// now if all are equally fast, so that rank 0 does not wait while it could compute. `all`: it waits for the
// others; so it does where it keeps too much.
void DividedPredictions::write_pieces(bool all) {
  while (!unwritten_.empty()) {
    const Piece first = unwritten_.front();
    const bool own = first.rank == 0;
    if (!own && !all && first.work_at_end > own_work_ && kept_bytes_ <= most_kept_) return;
    const Phase phase(own ? "write" : "communication");
    for (bool ended = false; !ended;) {
      if (own && kept_.empty()) return;  // more of it is to come
      Said said;
      if (own) {
        said = std::move(kept_.front());
        kept_.pop_front();
        kept_bytes_ -= said.bytes();
      } else {
        said = Said::unpacked(ranks_.receive(first.rank));
      }
      write(said);
      ended = said.kind == Said::Kind::kEnd;
    }
    unwritten_.pop_front();
  }
}

void predict_on(Communicator& ranks, Task& task, std::vector<Record> records,
                const PredictionRequest& request, PredictionSink& sink) {
  answer_divided(ranks, sink, [&](PredictionSink& own) { task.predict(std::move(records), request, own); });
}

void write_on(Communicator& ranks, const Task& task, std::vector<Record> records,
              const WritingRequest& request, const Stage& stage, PredictionSink& sink) {
  answer_divided(ranks, sink,
                 [&](PredictionSink& own) { task.write(std::move(records), request, stage, own); });
}

}  // namespace lf
