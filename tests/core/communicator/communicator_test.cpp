#include "core/communicator/communicator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <mutex>
#include <thread>
#include <utility>

#include "core/seconds.h"
#include "tests/core/communicator/ranks_in_threads.h"
#include "tests/core/communicator/shares_of_ranks.h"
#include "tests/testing.h"

namespace lf {
namespace {

class Ranks : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Counts, Ranks, testing::Values(1, 2, 3, 5));

TEST_P(Ranks, SumsAddInTheOrderOfRanks) {
  run_ranks(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    for (const int64_t count : {0, 1, 2, 64, 65, 1'000'003}) {
      std::vector<float> expected = shares(0, count);
      for (int r = 1; r < ranks->size(); ++r)
        for (int64_t i = 0; i < count; ++i) expected[static_cast<size_t>(i)] += share(r, i);
      Tensor x = Tensor::from({count}, shares(ranks->rank(), count));
      ranks->sum(x);
      EXPECT_EQ(x.to_doubles(), Tensor::from({count}, expected).to_doubles()) << count;
    }
  });
}

TEST_P(Ranks, WhatIsAccumulatedIsAddedInTheOrderOfRanks) {
  constexpr int64_t kCount = 1000;
  run_ranks(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    for (int adding = 1; adding <= ranks->size(); ++adding) {
      std::vector<float> expected = shares(9, kCount);
      for (int r = 0; r < adding; ++r)
        for (int64_t i = 0; i < kCount; ++i) expected[static_cast<size_t>(i)] += share(r, i);
      Bounds slices{0};
      for (int r = 1; r <= ranks->size(); ++r) slices.push_back(kCount * r / ranks->size());
      Tensor total = Tensor::from({kCount}, shares(9, kCount));
      ranks->start_accumulate(Tensor::from({kCount}, shares(ranks->rank(), kCount)), total, adding, slices)
          .wait();
      ranks->start_all_gather(total, slices).wait();
      EXPECT_EQ(total.to_doubles(), Tensor::from({kCount}, expected).to_doubles()) << adding;
    }
  });
}

TEST_P(Ranks, SlicesMayBeOfAnyLength) {
  run_ranks(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    const int n = ranks->size(), me = ranks->rank();
    Bounds slices(static_cast<size_t>(n), 0);  // the last rank has everything
    slices.push_back(300);
    Tensor x = Tensor::full({300}, DType::f64, me + 1);
    ranks->start_reduce_scatter(x, slices).wait();
    if (me == n - 1) {
      EXPECT_EQ(x.to_doubles(), std::vector<double>(300, n * (n + 1) / 2.0));
    }
    ranks->start_all_gather(x, slices).wait();
    EXPECT_EQ(x.to_doubles(), std::vector<double>(300, n * (n + 1) / 2.0));
  });
}

TEST_P(Ranks, WordsNumbersAndTensorsReachAll) {
  run_ranks(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    const int n = ranks->size(), me = ranks->rank();
    std::vector<std::string> expected;
    for (int r = 0; r < n; ++r) expected.push_back(std::string(static_cast<size_t>(r), 'x'));
    EXPECT_EQ(ranks->gather(std::string(static_cast<size_t>(me), 'x')), expected);
    EXPECT_EQ(ranks->broadcast(text("of ", me)), "of 0");
    EXPECT_EQ(ranks->maximum(me == 0 ? -5 : -7), -5);
    std::vector<double> values{1.5, static_cast<double>(me)};
    ranks->sum(values);
    EXPECT_EQ(values, (std::vector<double>{1.5 * n, n * (n - 1) / 2.0}));
    Tensor x = Tensor::full({100}, DType::bf16, me + 1);
    ranks->broadcast(x);
    EXPECT_EQ(x.to_doubles(), std::vector<double>(100, 1));
    const Agreement all = ranks->agree({.finite = me != n - 1, .save = me == 0, .signal = me == 0 ? 15 : 0});
    EXPECT_FALSE(all.finite);
    EXPECT_TRUE(all.save);
    EXPECT_FALSE(all.over_time);
    EXPECT_EQ(all.signal, 15);
  });
}

TEST_P(Ranks, NeighboursExchangeParcels) {
  run_ranks(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    const int n = ranks->size(), me = ranks->rank();
    Tensor mine = Tensor::full({3, 2}, DType::f32, me), left = Tensor::zeros({3, 2}, DType::f32);
    std::vector<Communicator::Parcel> sent, received;
    if (me + 1 < n) sent.push_back({me + 1, mine});
    if (me > 0) received.push_back({me - 1, left});
    ranks->exchange(sent, received);
    if (me > 0) {
      EXPECT_EQ(left.to_doubles(), std::vector<double>(6, me - 1));
    }
  });
}

TEST(RanksTogether, WhatAllSayIsSaidByOneRank) {
  std::atomic<int> usage{0}, heard{0};
  run_ranks(3, [&](const std::shared_ptr<Communicator>& ranks) {
    try {
      all_or_none(*ranks, [] { throw UsageError("stages: missing"); });
    } catch (const OtherRankFailed& error) {
      heard += error.exit_code() == 2 && ranks->rank() > 0;
    } catch (const UsageError& error) {
      usage += std::string(error.what()) == "stages: missing" && ranks->rank() == 0;
    }
  });
  EXPECT_EQ(usage, 1);
  EXPECT_EQ(heard, 2);
}

TEST(RanksTogether, WhatOneSaysNamesIt) {
  std::atomic<int> told{0}, heard{0};
  run_ranks(3, [&](const std::shared_ptr<Communicator>& ranks) {
    EXPECT_EQ(all_or_none(*ranks, [] { return 7; }), 7);
    try {
      all_or_none(*ranks, [&] { CHECK(ranks->rank() != 1, "data.txt: no such file"); });
    } catch (const OtherRankFailed& error) {
      heard += error.exit_code() == 1 && ranks->rank() != 1;
    } catch (const Error& error) {
      const std::string what = error.what();
      told += what.starts_with("rank 1 (") && what.ends_with("): data.txt: no such file");
    }
  });
  EXPECT_EQ(told, 1);
  EXPECT_EQ(heard, 2);
}

// One has started the sum of all before it needs its partner, who comes to that sum later.
TEST(RanksTogether, PartnersOvertakeWhatAllExchange) {
  run_ranks(4, [](const std::shared_ptr<Communicator>& ranks) {
    const int me = ranks->rank(), first = me / 2 * 2;
    const std::shared_ptr<Communicator> pair = ranks->with({first, first + 1});
    EXPECT_EQ(pair->size(), 2);
    EXPECT_EQ(pair->rank(), me % 2);
    const Tensor all = Tensor::from({1}, std::vector<float>{static_cast<float>(me)});
    Pending pending;
    if (me % 2 == 0) pending = ranks->start_sum(all);
    EXPECT_EQ(pair->gather(text("of ", me)), (std::vector{text("of ", first), text("of ", first + 1)}));
    if (me % 2 == 1) pending = ranks->start_sum(all);
    std::vector<double> numbers{static_cast<double>(me)};
    pair->sum(numbers);
    EXPECT_EQ(numbers, std::vector<double>{2.0 * first + 1});
    const Tensor both = random_tensor({1000}, DType::f64, static_cast<uint64_t>(me));
    const Tensor partners = random_tensor({1000}, DType::f64, static_cast<uint64_t>(first + 1 - me % 2));
    std::vector<double> expected = both.to_doubles();
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += partners.to_doubles()[i];
    pair->sum(both);
    EXPECT_EQ(both.to_doubles(), expected);
    pending.wait();
    EXPECT_EQ(all.to_doubles(), std::vector<double>{6});
  });
}

TEST(RanksTogether, AFailureEndsTheWaitOfTheOthers) {
  const double seconds = seconds_of([] {
    EXPECT_ERROR_TEXT(run_ranks(3,
                                [](const std::shared_ptr<Communicator>& ranks) {
                                  if (ranks->rank() == 2) throw Error("disk full");
                                  ranks->barrier();
                                  ADD_FAILURE() << "nobody is left to meet";
                                }),
                      "disk full");
  });
  EXPECT_LT(seconds, 10);
}

TEST(RanksTogether, OfSeveralFailuresOneIsTold) {
  std::atomic<int> tellers{0};
  EXPECT_ERROR_TEXT(run_ranks(4,
                              [&](const std::shared_ptr<Communicator>& ranks) {
                                try {
                                  throw Error("no space left");
                                } catch (const Error& error) {
                                  tellers += ranks->fail(error.what(), 1);
                                }
                                throw OtherRankFailed("no space left", 1);
                              }),
                    "no space left");
  EXPECT_EQ(tellers, 1);
}

// What some of them have met outside of it.
TEST(RanksTogether, ALossIsToldOnceAndEndsAll) {
  std::atomic<int> ended{0};
  std::mutex mutex;
  std::vector<std::string> told;
  run_ranks(3,
            [&](const std::shared_ptr<Communicator>& ranks) {
              ranks->barrier();
              EXPECT_FALSE(ranks->has_failed());
              if (ranks->rank() > 0) ranks->lose("no link");
              try {
                for (;;) ranks->barrier();
              } catch (const OtherRankFailed& error) {
                ended += error.exit_code() == kLostRank && ranks->has_failed();
              }
            },
            {},
            {[&](const std::string& what) {
               const std::lock_guard lock(mutex);
               told.push_back(what);
             },
             [](int) {}});
  EXPECT_EQ(ended, 3);
  ASSERT_EQ(told.size(), 1);
  EXPECT_TRUE(told[0].starts_with("rank ")) << told[0];
  EXPECT_NE(told[0].find("): no link; the run ends"), std::string::npos) << told[0];
}

// A rank alone whose transport does not end before `ends`.
class EndsLate : public Transport {
 public:
  explicit EndsLate(std::future<void> ends) : ends_(std::move(ends)) {}
  ~EndsLate() override { ends_.wait(); }
  int rank() const override { return 0; }
  int size() const override { return 1; }
  std::unique_ptr<Transfer> start(int, const Message*, size_t, const Message*, size_t) override {
    return std::make_unique<Nothing>();
  }
  void send_note(int, const Note&) override {}
  std::optional<Note> receive_note() override { return std::nullopt; }
  void abandon() override {}

 private:
  class Nothing : public Transfer {
   public:
    bool done() override { return true; }
    int waits_for() override { return -1; }
  };
  std::future<void> ends_;
};

TEST(RanksTogether, ATransportThatDoesNotEndIsNotWaitedFor) {
  std::promise<void> ends;
  std::string said;
  int code = 0;
  over_transport([&] { return std::make_unique<EndsLate>(ends.get_future()); }, {.silence = 0.05},
                 {[&](const std::string& what) { said = what; },
                  [&](int exit_code) {
                    code = exit_code;
                    ends.set_value();
                  }})
      .reset();
  EXPECT_EQ(code, kLostRank);
  EXPECT_NE(said.find("ranks did not part within "), std::string::npos) << said;
}

}  // namespace
}  // namespace lf
