// Progress of a run for people: on a terminal one live line that is redrawn in place, elsewhere plain lines,
// where messages go (see core/messages.h). Formatting is in pure functions.
#pragma once

#include <chrono>
#include <cstdint>
#include <limits>
#include <string>

namespace lf {

// What one progress line shows; a value left at its default is not shown.
struct Progress {
  std::string stage;        // such as "stage 2/5"
  int64_t step = 0;         // steps done in the stage
  int64_t total_steps = 0;  // 0: the stage has no fixed end
  double loss = kUnknown;   // nats
  double bits = kUnknown;   // per `bits_name`: characters, or tokens
  std::string bits_name = "bpc";
  double learning_rate = kUnknown;
  double tokens_per_second = kUnknown;
  int64_t memory_bytes = 0;
  double seconds_left = kUnknown;

  static constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();
};

// A line of what is known: "stage 2/5  step 820/2,000 (41%)  loss 1.604  bpc 2.314  lr 2.5e-04  12.3k tok/s
// ...".
std::string format_progress(const Progress& progress);

// The same with a bar, shortened to fit into `columns` characters by leaving out what matters least.
std::string format_live_progress(const Progress& progress, int columns);

class Console {
 public:
  // Live when messages go to a terminal that can move its cursor (TERM is not "dumb") and are to be seen.
  Console();

  // Ends the live line.
  ~Console();
  Console(const Console&) = delete;
  Console& operator=(const Console&) = delete;

  // Shows progress; call it at every step. A live line is redrawn ten times a second at most; plain lines
  // come every ten seconds at most. A new stage and a stage's last step are always shown.
  void progress(const Progress& progress);

  // Leaves the live line as it is and continues below it.
  void finish_line();

  bool live() const { return live_; }

 private:
  bool live_;
  std::string last_stage_;
  int64_t last_step_ = -1;
  std::chrono::steady_clock::time_point last_shown_ = {};
};

}  // namespace lf
