// The one armed place, read from the environment; see failpoint.h.
#include "core/failpoint.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <string>
#include <system_error>

#include "core/check.h"

namespace lf {
namespace internal {

struct ArmedFailpoint {
  std::string setting;  // the whole text, for the message
  std::string name;
  int hits_left = 1;
  bool disk_full = false, understood = true;
  std::atomic<int> hits = 0;
};

ArmedFailpoint* armed_failpoint = nullptr;

namespace {

std::unique_ptr<ArmedFailpoint> parse(const std::string& setting) {
  auto armed = std::make_unique<ArmedFailpoint>();
  armed->setting = armed->name = setting;
  if (const auto equals = armed->name.find('='); equals != std::string::npos) {
    armed->disk_full = true;
    armed->understood = armed->name.substr(equals) == "=enospc";
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

const struct ReadAtStart {
  ReadAtStart() { read_failpoint_environment(); }
} read_at_start;

}  // namespace

int reach_failpoint(const char* name) {
  ArmedFailpoint& armed = *armed_failpoint;
  if (!armed.understood) {
    throw UsageError(text("LF_FAILPOINT=", armed.setting, ": expected NAME, NAME:COUNT or NAME=enospc"));
  }
  if (armed.name != name || ++armed.hits != armed.hits_left) return 0;
  if (armed.disk_full) return ENOSPC;
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
