// Formatting and terminal handling of progress; see console.h.
#include "trainers/console.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace lf {
namespace {

constexpr auto kLiveInterval = std::chrono::milliseconds(100);
constexpr auto kPlainInterval = std::chrono::seconds(10);
constexpr int kUsualColumns = 80;
constexpr const char* kClearLine = "\r\x1b[2K";

template <class... Values>
std::string print(const char* format, Values... values) {
  std::array<char, 96> buffer = {};
  std::snprintf(buffer.data(), buffer.size(), format, values...);
  return buffer.data();
}

// Three significant digits without an exponent, for 0 <= value < 1024.
std::string three_digits(double value) {
  if (value < 9.995) return print("%.2f", value);
  return print(value < 99.95 ? "%.1f" : "%.0f", value);
}

// Scales by `factor` until the three digits shown stay below it, so that 1023.9 KiB becomes 1.00 MiB.
template <size_t N>
std::string with_unit(double value, double factor, const std::array<const char*, N>& units) {
  if (!std::isfinite(value) || value < 0) return "?";
  if (value < factor - 0.5) return print("%.0f", value) + units[0];
  size_t unit = 0;
  while (value >= factor - 0.5 && unit + 1 < N) {
    value /= factor;
    ++unit;
  }
  return three_digits(value) + units[unit];
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
  add(2, !std::isnan(p.bits_per_character), print("bpc %.4f", p.bits_per_character));
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

}  // namespace

std::string format_duration(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return "?";
  if (seconds < 0.995) return print("%.2f s", seconds);
  if (seconds < 9.95) return print("%.1f s", seconds);
  const double rounded = std::round(seconds);
  if (rounded < 60) return print("%.0f s", rounded);
  if (rounded >= 1e12) return "?";
  const auto whole = static_cast<long long>(rounded);
  if (whole < 3600) return print("%lldm %02llds", whole / 60, whole % 60);
  const long long minutes = (whole + 30) / 60;
  if (minutes < 24 * 60) return print("%lldh %02lldm", minutes / 60, minutes % 60);
  const long long hours = (minutes + 30) / 60;
  return print("%lldd %02lldh", hours / 24, hours % 24);
}

std::string format_bytes(double bytes) {
  constexpr std::array units = {" B", " KiB", " MiB", " GiB", " TiB", " PiB"};
  return with_unit(bytes, 1024, units);
}

std::string format_count(double count) {
  constexpr std::array units = {"", "k", "M", "G", "T", "P"};
  return with_unit(count, 1000, units);
}

std::string format_grouped(int64_t number) {
  std::string digits = std::to_string(number);
  const int64_t first = number < 0 ? 1 : 0;
  for (int64_t i = std::ssize(digits) - 3; i > first; i -= 3) digits.insert(static_cast<size_t>(i), ",");
  return digits;
}

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

Console::Console(std::FILE* stream) : stream_(stream), live_(can_redraw(stream)) {}

Console::~Console() { finish_line(); }

void Console::progress(const Progress& progress) {
  const auto now = std::chrono::steady_clock::now();
  const bool last = progress.total_steps > 0 && progress.step >= progress.total_steps;
  const bool due = live_ ? now - last_shown_ >= kLiveInterval : now - last_shown_ >= kPlainInterval;
  if (!due && !last && progress.stage == last_stage_) return;
  if (progress.stage != last_stage_) finish_line();
  last_shown_ = now;
  last_stage_ = progress.stage;
  if (!live_) {
    message(format_progress(progress));
    return;
  }
  // One column stays free: a character in the last one makes some terminals wrap.
  live_line_ = format_live_progress(progress, columns() - 1);
  std::fprintf(stream_, "%s%s", kClearLine, live_line_.c_str());
  std::fflush(stream_);
}

void Console::message(const std::string& line) {
  if (!live_line_.empty()) std::fputs(kClearLine, stream_);
  std::fprintf(stream_, "%s\n%s", line.c_str(), live_line_.c_str());
  std::fflush(stream_);
}

void Console::finish_line() {
  if (live_line_.empty()) return;
  live_line_.clear();
  std::fputc('\n', stream_);
  std::fflush(stream_);
}

int Console::columns() const {
  winsize size = {};
  const bool known = ioctl(fileno(stream_), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? size.ws_col : kUsualColumns;
}

}  // namespace lf
