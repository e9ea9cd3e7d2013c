#include "core/messages.h"

#include <fcntl.h>
#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include "core/check.h"
#include "core/files.h"

namespace lf::messages {
namespace {

constexpr const char* kClearLine = "\r\x1b[2K";

spdlog::level::level_enum level_of(Level level) {
  switch (level) {
    case Level::kDetail:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

// What is on the console: the messages, and below them the live line.
class ConsoleSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void draw(const std::string& line) {
    const std::lock_guard lock(mutex_);
    live_line_ = line;
    std::fprintf(stream_, "%s%s", kClearLine, live_line_.c_str());
    std::fflush(stream_);
  }

  void finish() {
    const std::lock_guard lock(mutex_);
    if (live_line_.empty()) return;
    live_line_.clear();
    std::fputc('\n', stream_);
    std::fflush(stream_);
  }

  void print(const std::string& line) {
    const std::lock_guard lock(mutex_);
    print_above(line);
  }

  std::FILE* stream() {
    const std::lock_guard lock(mutex_);
    return stream_;
  }
  std::FILE* exchange_stream(std::FILE* stream) {
    const std::lock_guard lock(mutex_);
    return std::exchange(stream_, stream);
  }

  void set_rank(int rank) { rank_ = rank; }
  int rank() const { return rank_; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const char* const kind = message.level == spdlog::level::warn  ? "warning: "
                             : message.level == spdlog::level::err ? "error: "
                                                                   : "";
    if (rank_ > 0 && message.level < spdlog::level::warn) return;
    const std::string speaker = rank_ > 0 ? text("rank ", rank_.load(), ": ") : std::string();
    print_above(kind + speaker + std::string(message.payload.data(), message.payload.size()));
  }
  void flush_() override {}

 private:
  void print_above(const std::string& line) {
    if (!live_line_.empty()) std::fputs(kClearLine, stream_);
    std::fprintf(stream_, "%s\n%s", line.c_str(), live_line_.c_str());
    std::fflush(stream_);
  }

  std::FILE* stream_ = stderr;
  std::atomic<int> rank_ = 0;
  std::string live_line_;  // empty when the console's last line is no such
};

// Appends whole lines: other processes may write into the same file. spdlog's own file sink does not notice a
// full disk.
class FileSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(std::string path) : path_(std::move(path)) {
    descriptor_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (descriptor_ < 0) throw_file_error("open", path_, errno);
    set_formatter(std::make_unique<spdlog::pattern_formatter>("%Y-%m-%d %H:%M:%S.%e %l: %v"));
  }
  ~FileSink() override { ::close(descriptor_); }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    ssize_t written = 0;
    while ((written = ::write(descriptor_, line.data(), line.size())) < 0 && errno == EINTR) {
    }
    if (written == static_cast<ssize_t>(line.size()) || warned_) return;
    warned_ = true;
    throw_file_error("write", path_, written < 0 ? errno : ENOSPC);
  }
  void flush_() override {}

 private:
  std::string path_;
  int descriptor_ = -1;
  bool warned_ = false;
};

// Made at the first message and kept for ever: the last may come while the program is torn down.
struct Messages {
  std::shared_ptr<ConsoleSink> console = std::make_shared<ConsoleSink>();
  std::shared_ptr<spdlog::sinks::dist_sink_mt> all = std::make_shared<spdlog::sinks::dist_sink_mt>();
  spdlog::logger logger{"longform", all};

  Messages() {
    console->set_level(spdlog::level::info);
    all->add_sink(console);
    logger.set_level(spdlog::level::debug);
    logger.set_error_handler([this](const std::string& what) { console->print("warning: " + what); });
  }
};

Messages& all() {
  static auto* const messages = new Messages;
  return *messages;
}

void say(Level level, const std::string& what) {
  all().logger.log(level_of(level), spdlog::string_view_t(what.data(), what.size()));
}

}  // namespace

void detail(const std::string& what) { say(Level::kDetail, what); }
void info(const std::string& what) { say(Level::kInfo, what); }
void warning(const std::string& what) { say(Level::kWarning, what); }
void error(const std::string& what) { say(Level::kError, what); }
void warnings(const std::vector<std::string>& list) {
  for (const std::string& what : list) warning(what);
}

void show_from(Level least) { all().console->set_level(level_of(least)); }
bool shows(Level level) {
  return (rank() == 0 || level >= Level::kWarning) && all().console->should_log(level_of(level));
}

void also_into(const std::string& path) {
  all().all->set_sinks({all().console, std::make_shared<FileSink>(path)});
}

void set_rank(int rank) { all().console->set_rank(rank); }
int rank() { return all().console->rank(); }

void progress_line(const std::string& line) {
  if (shows(Level::kInfo)) all().console->print(line);
}
void draw_live_line(const std::string& line) {
  if (shows(Level::kInfo)) all().console->draw(line);
}
void finish_live_line() { all().console->finish(); }

std::FILE* console() { return all().console->stream(); }
OtherConsole::OtherConsole(std::FILE* stream) : before_(all().console->exchange_stream(stream)) {}
OtherConsole::~OtherConsole() { all().console->exchange_stream(before_); }

}  // namespace lf::messages
