// What a rank makes of the others' signs of life and ends.
#include "core/communicator/peers.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

namespace lf {
namespace {

// A process of this machine that does nothing until it is killed.
class Idle {
 public:
  Idle() : process_(::fork()) {
    if (process_ == 0)
      for (;;) ::pause();
  }
  ~Idle() { kill(); }
  void kill() {
    if (process_ < 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
    process_ = -1;
  }
  Whereabouts where() const { return {"here", process_, Whereabouts::here().system}; }

 private:
  pid_t process_;
};

TEST(Peers, SignsOfLifeReachThoseWhoTellOfAnEnd) {
  std::vector<Whereabouts> all;
  for (int64_t i = 0; i < 8; ++i) all.push_back({i < 4 ? "a" : "b", 0, i < 4 ? "a" : "b"});
  Peers peers(6, {});
  peers.meet(all);
  std::vector<int> followers = peers.followers();
  std::sort(followers.begin(), followers.end());
  EXPECT_EQ(followers, (std::vector<int>{0, 4, 5, 7}));
}

TEST(Peers, AnEndBeforeTheFirstStepNamesThePhase) {
  Idle other;
  Peers peers(0, {});
  peers.meet({Whereabouts::here(), other.where()});
  Note note{.kind = Note::Kind::kAlive, .from = 1};
  std::snprintf(note.phase, sizeof note.phase, "prepare");
  peers.heard(note);
  EXPECT_FALSE(peers.lost(-1, 0).has_value());
  other.kill();
  const std::optional<Peers::Lost> lost = peers.lost(-1, 0);
  ASSERT_TRUE(lost.has_value());
  EXPECT_TRUE(lost->tells);
  EXPECT_NE(lost->why.find("is lost, before its first step in prepare: its process has ended"),
            std::string::npos)
      << lost->why;
}

TEST(Peers, AProcessThatWasStoppedItselfDoesNotTellOfOthers) {
  Idle other;
  Peers peers(0, {.silence = 0.2});
  peers.meet({Whereabouts::here(), other.where()});
  EXPECT_FALSE(peers.lost(-1, 0).has_value());
  std::this_thread::sleep_for(std::chrono::milliseconds(150));  // nobody looks around
  other.kill();
  const std::optional<Peers::Lost> lost = peers.lost(-1, 0);
  ASSERT_TRUE(lost.has_value());
  EXPECT_FALSE(lost->tells);
}

}  // namespace
}  // namespace lf
