// What fails between GPUs ends the run of all ranks, in time and told once, whatever the device waits for.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <thread>

#include "core/activity.h"
#include "core/seconds.h"
#include "tests/simt/nccl.h"
#include "tests/simt/tests/ranks_on_devices.h"
#include "tests/testing.h"

namespace lf {
namespace {

// How ranks have ended.
struct End {
  std::atomic<int> lost = 0, failed = 0;  // that heard of a rank that is lost, of one that has failed
  std::mutex mutex;
  std::vector<std::string> told;
  double seconds = 0;
  int64_t cut_off = 0;
};

// Runs `body` in ranks with so much patience. Whatever the end, no member of a group is left.
void see_the_end(int ranks, double stuck, End& end,
                 const std::function<void(const std::shared_ptr<Communicator>&)>& body) {
  const simt::NcclUse before = simt::nccl_use();
  end.seconds = seconds_of([&] {
    try {
      run_ranks_on_devices(ranks,
                           [&](const std::shared_ptr<Communicator>& communicator) {
                             Activity::current()->begin_step(1);
                             try {
                               body(communicator);
                             } catch (const OtherRankFailed& error) {
                               ++(error.exit_code() == kLostRank ? end.lost : end.failed);
                               throw;
                             }
                           },
                           {.silence = 15, .stuck = stuck},
                           {[&](const std::string& what) {
                              const std::lock_guard lock(end.mutex);
                              end.told.push_back(what);
                            },
                            [](int) {
                              std::fputs("a rank computes on after the run has failed\n", stderr);
                              std::_Exit(1);
                            }});
    } catch (const Error&) {
    }
  });
  EXPECT_EQ(simt::nccl_use().members, before.members);
  end.cut_off = simt::nccl_use().aborted - before.aborted;
}

// Updates without an end, each of which waits for the device and agrees on it.
void go_on(Communicator& ranks) {
  for (;;) {
    const Tensor x = Tensor::full({100}, DType::f32, 1, Device::cuda);
    ranks.sum(x);
    x.to(Device::cpu);
    ranks.barrier();
  }
}

// Comes to no exchange until the run has failed.
void stay_away(const Communicator& ranks) {
  for (const double came = seconds_now(); !ranks.has_failed();) {
    CHECK(seconds_now() - came < 30, "nobody has missed it");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// Rank 1 waits for its device meanwhile.
TEST(NcclFailures, AnErrorOnOneRankEndsAll) {
  End end;
  see_the_end(3, 20, end, [](const std::shared_ptr<Communicator>& ranks) {
    if (ranks->rank() == 0) {
      std::this_thread::sleep_for(std::chrono::milliseconds(300));
      simt::break_nccl(1);
      stay_away(*ranks);
    }
    go_on(*ranks);
  });
  EXPECT_EQ(end.lost, 3);
  EXPECT_LT(end.seconds, 10);
  ASSERT_EQ(end.told.size(), 1);
  EXPECT_TRUE(end.told[0].starts_with("rank 1 (")) << end.told[0];
  EXPECT_NE(end.told[0].find("NCCL: "), std::string::npos) << end.told[0];
  EXPECT_NE(end.told[0].find("unhandled system error"), std::string::npos) << end.told[0];
  EXPECT_EQ(end.cut_off, 3);
}

// Of all ranks at once, as where a network fails.
TEST(NcclFailures, AnErrorOnAllIsToldOnce) {
  End end;
  see_the_end(3, 20, end, [](const std::shared_ptr<Communicator>& ranks) {
    ranks->barrier();
    simt::break_nccl(ranks->rank());
    go_on(*ranks);
  });
  EXPECT_EQ(end.lost, 3);
  EXPECT_LT(end.seconds, 10);
  EXPECT_EQ(end.told.size(), 1);
}

TEST(NcclFailures, ARankThatNeverComesEndsAll) {
  End end;
  see_the_end(3, 1, end, [](const std::shared_ptr<Communicator>& ranks) {
    if (ranks->rank() == 2) stay_away(*ranks);
    go_on(*ranks);
  });
  EXPECT_EQ(end.lost, 3);
  EXPECT_LT(end.seconds, 15);
  ASSERT_EQ(end.told.size(), 1);
  EXPECT_NE(end.told[0].find("an exchange between GPUs has not ended for "), std::string::npos)
      << end.told[0];
  EXPECT_EQ(end.cut_off, 3);
}

// Before the first step it may prepare a corpus.
TEST(NcclFailures, BeforeTheFirstStepARankMayTakeItsTime) {
  run_ranks_on_devices(2,
                       [](const std::shared_ptr<Communicator>& ranks) {
                         if (ranks->rank() == 1) std::this_thread::sleep_for(std::chrono::seconds(3));
                         const Tensor x = Tensor::full({100}, DType::f32, ranks->rank() + 1, Device::cuda);
                         ranks->broadcast(x);
                         EXPECT_EQ(x.to(Device::cpu).to_doubles(), std::vector<double>(100, 1));
                       },
                       {.silence = 15, .stuck = 0.5});
}

// Rank 0 has nobody left who would end its device's wait.
TEST(NcclFailures, ARankThatEndsFreesTheOthersDevices) {
  End end;
  see_the_end(3, 20, end, [](const std::shared_ptr<Communicator>& ranks) {
    ranks->barrier();
    if (ranks->rank() == 2) throw Error("disk full");
    go_on(*ranks);
  });
  EXPECT_EQ(end.failed, 2);
  EXPECT_LT(end.seconds, 4.5);  // that a process is ended after, whose computing does not return
  EXPECT_EQ(end.cut_off, 3);
}

TEST(NcclFailures, AGroupThatOneCannotJoinEndsAll) {
  End end;
  see_the_end(3, 20, end, [](const std::shared_ptr<Communicator>& ranks) {
    if (ranks->rank() == 2) simt::break_joining();
    ranks->with({0, 1, 2});
    ADD_FAILURE() << "rank 2 has not joined";
  });
  EXPECT_EQ(end.lost, 3);
  EXPECT_LT(end.seconds, 10);
  ASSERT_EQ(end.told.size(), 1);
  EXPECT_TRUE(end.told[0].starts_with("rank 2 (")) << end.told[0];
  EXPECT_NE(end.told[0].find("NCCL: joining the group: unhandled system error"), std::string::npos)
      << end.told[0];
}

TEST(NcclFailures, TwoRanksOnOneGpuAreNamed) {
  std::atomic<int> usage = 0, heard = 0;
  run_ranks(3, [&](const std::shared_ptr<Communicator>& host) {
    simt::use_gpu(host->rank() == 0 ? 7 : 8);
    try {
      over_nccl(host, {});
    } catch (const UsageError& error) {
      const std::string what = error.what();
      usage += what.starts_with("ranks 1 and 2 on ") &&
               what.find(" use the same GPU (0000:0008:00.0 host executor); start one rank per GPU") !=
                   std::string::npos;
    } catch (const OtherRankFailed& error) {
      heard += error.exit_code() == kBadUsage;
    }
  });
  EXPECT_EQ(usage, 1);
  EXPECT_EQ(heard, 2);
}

}  // namespace
}  // namespace lf
