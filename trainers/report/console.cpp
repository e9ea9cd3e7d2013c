// Formatting and terminal handling of progress; see console.h.
#include "trainers/report/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "core/format.h"
#include "core/messages.h"

namespace lf {
namespace {

constexpr auto kLiveInterval = std::chrono::milliseconds(100);
constexpr auto kPlainInterval = std::chrono::seconds(10);
constexpr int kUsualColumns = 80;

template <class... Values>
std::string print(const char* format, Values... values) {
  std::array<char, 96> buffer = {};
  std::snprintf(buffer.data(), buffer.size(), format, values...);
  return buffer.data();
}

// One item of the line; the live line drops the items of the highest rank first.
struct Item {
  int rank;
  std::string text;
};

std::vector<Item> items_of(const Progress& p) {
  std::vector<Item> items;
  const auto add = [&](int rank, bool known, const std::string& item) {
    if (known) items.push_back({rank, item});
  };
  std::string step = "step " + format_grouped(p.step);
  if (p.total_steps > 0) {
    const int64_t percent = 100 * std::clamp<int64_t>(p.step, 0, p.total_steps) / p.total_steps;
    step += "/" + format_grouped(p.total_steps) + " (" + std::to_string(percent) + "%)";
  }
  add(1, !p.stage.empty(), p.stage);
  add(0, true, step);
  add(4, !std::isnan(p.loss), print("loss %.4f", p.loss));
  add(2, !std::isnan(p.bits), p.bits_name + print(" %.4f", p.bits));
  add(7, !std::isnan(p.learning_rate), print("lr %.2e", p.learning_rate));
  add(5, !std::isnan(p.tokens_per_second), format_count(p.tokens_per_second) + " tok/s");
  add(6, p.memory_bytes > 0, format_bytes(static_cast<double>(p.memory_bytes)));
  add(3, !std::isnan(p.seconds_left), "ETA " + format_duration(p.seconds_left));
  return items;
}

std::string join(const std::vector<Item>& items) {
  std::string line;
  for (const Item& item : items) line += (line.empty() ? "" : "  ") + item.text;
  return line;
}

std::string bar(double fraction, int width) {
  const int filled = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * width);
  std::string line(static_cast<size_t>(width), ' ');
  std::fill_n(line.begin(), filled, '=');
  if (filled > 0 && filled < width) line[static_cast<size_t>(filled) - 1] = '>';
  return "[" + line + "]  ";
}

bool can_redraw(std::FILE* stream) {
  const char* terminal = std::getenv("TERM");
  return isatty(fileno(stream)) == 1 && terminal != nullptr && std::string_view(terminal) != "dumb";
}

int columns_of(std::FILE* stream) {
  winsize size = {};
  const bool known = ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualColumns;
}

}  // namespace

std::string format_progress(const Progress& progress) { return join(items_of(progress)); }

std::string format_live_progress(const Progress& progress, int columns) {
  constexpr int kBarColumns = 20, kBarFrame = 4;
  std::vector<Item> items = items_of(progress);
  const auto room = [&] { return columns - static_cast<int>(join(items).size()); };
  while (items.size() > 1 && room() < 0) {
    items.erase(std::max_element(items.begin(), items.end(),
                                 [](const Item& a, const Item& b) { return a.rank < b.rank; }));
  }
  const std::string line = join(items).substr(0, static_cast<size_t>(std::max(columns, 0)));
  if (progress.total_steps <= 0 || room() < kBarColumns + kBarFrame) return line;
  return bar(static_cast<double>(progress.step) / static_cast<double>(progress.total_steps), kBarColumns) +
         line;
}

Console::Console() : live_(can_redraw(messages::console()) && messages::shows(messages::Level::kInfo)) {}

Console::~Console() { finish_line(); }

void Console::progress(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  const bool last = progress.total_steps > 0 && progress.step >= progress.total_steps;
  const bool due = live_ ? now - last_shown_ >= kLiveInterval : now - last_shown_ >= kPlainInterval;
  const bool other_stage = progress.stage != last_stage_;
  if (!due && !last && !other_stage) return;
  if (!live_ && last && !other_stage && progress.step == last_step_) return;  // a stage has one last line
  if (other_stage) finish_line();
  last_shown_ = now;
  last_stage_ = progress.stage;
  last_step_ = progress.step;
  if (live_) {
    // One column stays free: a character in the last one makes some terminals wrap.
    messages::draw_live_line(format_live_progress(progress, columns_of(messages::console()) - 1));
  } else {
    messages::progress_line(format_progress(progress));
  }
}

void Console::finish_line() { messages::finish_live_line(); }

}  // namespace lf
