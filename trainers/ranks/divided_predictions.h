// Predictions that ranks divide, with what is written as if one had made it all. Each computes some pieces
// (trainers/tasks/prediction_sink.h) and sends what it answers to rank 0 while it computes the next one;
// rank 0 writes the pieces in their order, and computes some itself.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "core/communicator/communicator.h"
#include "trainers/tasks/prediction_sink.h"
#include "trainers/tasks/task.h"

namespace lf {

class DividedPredictions : public PredictionSink {
 public:
  // Both must outlive this object; `whole` is used on rank 0 only. A rank keeps at most so many bytes of what
  // is computed and not yet taken, beside what was answered last.
  DividedPredictions(Communicator& ranks, PredictionSink& whole, int64_t most_kept = kMostKept);

  // A piece goes to the rank that has been given the least work so far, the lowest of these.
  bool is_mine(int64_t work) override;
  void end_piece() override;

  void begin_tensors(const std::vector<TensorSpec>& specs) override;
  void tensor(const Tensor& values) override;
  void part(const Tensor& values) override;
  void line(const nlohmann::ordered_json& answer) override;
  void note(const std::string& message) override;

  // After the last piece: returns when everything is written.
  void finish();

  static constexpr int64_t kMostKept = int64_t{256} << 20;

 private:
  // A call of the sink, or the end of a piece.
  struct Said {
    enum class Kind : char { kTensor, kPart, kLine, kNote, kEnd };

    Kind kind = Kind::kEnd;
    Tensor values = {};
    std::string words = {};

    int64_t bytes() const;
    std::string packed() const;
    static Said unpacked(const std::string& bytes);
  };
  // Of those that are not written yet.
  struct Piece {
    int rank;
    int64_t work_at_end;  // what the rank has been given up to and with this piece
  };

  void say(Said said);
  void send(const Said& said);
  void write(const Said& said);
  void write_pieces(bool all);

  Communicator& ranks_;
  PredictionSink& whole_;
  const int64_t most_kept_;
  std::vector<int64_t> work_;              // that each rank has been given
  int64_t own_begun_ = 0, own_ended_ = 0;  // pieces

  // On rank 0.
  std::deque<Piece> unwritten_;
  std::deque<Said> kept_;  // of its own pieces
  int64_t kept_bytes_ = 0;
  std::deque<int64_t> own_ends_;  // work_at_end of its own pieces that have not ended
  int64_t own_work_ = 0;          // that it has done

  // On the others.
  std::deque<std::pair<Pending, int64_t>> sent_;  // with its bytes
  int64_t sent_bytes_ = 0;
};

// Task::predict and Task::write by all ranks, each with all records; rank 0's sink receives the answers.
void predict_on(Communicator& ranks, Task& task, std::vector<Record> records,
                const PredictionRequest& request, PredictionSink& sink);
void write_on(Communicator& ranks, const Task& task, std::vector<Record> records,
              const WritingRequest& request, const Stage& stage, PredictionSink& sink);

}  // namespace lf
