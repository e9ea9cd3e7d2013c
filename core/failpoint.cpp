// The one armed place, read from the environment; see failpoint.h.
#include "core/failpoint.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "core/check.h"

namespace lf {
namespace internal {

struct ArmedFailpoint {
  std::string setting;  // the whole text, for the message
  std::string name;
  int hits_left = 1;
  bool disk_full = false, understood = true;
  std::string awaited;  // a file
  std::atomic<int> hits = 0;
};

ArmedFailpoint* armed_failpoint = nullptr;

namespace {

constexpr std::string_view kUntil = "until:";

std::unique_ptr<ArmedFailpoint> parse(const std::string& setting) {
  auto armed = std::make_unique<ArmedFailpoint>();
  armed->setting = armed->name = setting;
  if (const auto equals = armed->name.find('='); equals != std::string::npos) {
    const std::string what = armed->name.substr(equals + 1);
    armed->disk_full = what == "enospc";
    if (what.starts_with(kUntil)) armed->awaited = what.substr(kUntil.size());
    armed->understood = armed->disk_full || !armed->awaited.empty();
    armed->name.resize(equals);
  }
  if (const auto colon = armed->name.find(':'); colon != std::string::npos) {
    const char* end = armed->name.data() + armed->name.size();
    const auto [stop, error] = std::from_chars(armed->name.data() + colon + 1, end, armed->hits_left);
    if (error != std::errc() || stop != end || armed->hits_left < 1) armed->understood = false;
    armed->name.resize(colon);
  }
  if (armed->name.empty()) armed->understood = false;
  return armed;
}

int stay_until(const std::string& path) {
  const int reached = ::open((path + ".reached").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
  if (reached < 0) return errno;
  ::close(reached);
  while (::access(path.c_str(), F_OK) != 0) ::usleep(1000);
  return 0;
}

const struct ReadAtStart {
  ReadAtStart() { read_failpoint_environment(); }
} read_at_start;

}  // namespace

int reach_failpoint(const char* name) {
  ArmedFailpoint& armed = *armed_failpoint;
  if (!armed.understood) {
    throw UsageError(text("LF_FAILPOINT=", armed.setting,
                          ": expected NAME or NAME:COUNT, and behind it nothing, =enospc or =until:FILE"));
  }
  if (armed.name != name || ++armed.hits != armed.hits_left) return 0;
  if (armed.disk_full) return ENOSPC;
  if (!armed.awaited.empty()) return stay_until(armed.awaited);
  ::kill(::getpid(), SIGKILL);
  // Another thread may be the one that takes the signal: nothing more may happen in this one.
  for (;;) ::pause();
}

}  // namespace internal

void read_failpoint_environment() {
  static std::unique_ptr<internal::ArmedFailpoint> owner;
  const char* setting = std::getenv("LF_FAILPOINT");
  owner = setting && *setting ? internal::parse(setting) : nullptr;
  internal::armed_failpoint = owner.get();
}

}  // namespace lf
