// What ranks exchange over NCCL, on its stand-in, and how that is ordered with what they compute.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/activity.h"
#include "core/storage.h"
#include "tests/core/communicator/shares_of_ranks.h"
#include "tests/simt/nccl.h"
#include "tests/simt/tests/device_tensors.h"
#include "tests/simt/tests/ranks_on_devices.h"

namespace lf {
namespace {

Tensor on_device(int64_t count, const std::vector<float>& values) {
  return Tensor::from({count}, values).to(Device::cuda);
}
Tensor all_equal(int64_t count, double value, DType dtype = DType::f32) {
  return Tensor::full({count}, dtype, value, Device::cuda);
}
std::vector<double> read(const Tensor& x) { return x.to(Device::cpu).to_doubles(); }

// Where they wait for each other for ever, the run ends after some seconds.
void exchange(int ranks, const std::function<void(const std::shared_ptr<Communicator>&)>& body) {
  run_ranks_on_devices(ranks,
                       [&](const std::shared_ptr<Communicator>& communicator) {
                         Activity::current()->begin_step(1);
                         body(communicator);
                       },
                       {.silence = 15, .stuck = 5});
}

class NcclRanks : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Counts, NcclRanks, testing::Values(1, 2, 3));

TEST_P(NcclRanks, SumsAddOverAll) {
  exchange(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    for (const int64_t count : {0, 1, 65, 10'007}) {
      std::vector<float> expected = shares(0, count);
      for (int r = 1; r < ranks->size(); ++r)
        for (int64_t i = 0; i < count; ++i) expected[static_cast<size_t>(i)] += share(r, i);
      const Tensor x = on_device(count, shares(ranks->rank(), count));
      ranks->sum(x);
      EXPECT_EQ(read(x), Tensor::from({count}, expected).to_doubles()) << count;
    }
    for (const DType dtype : kFloats) {
      const Tensor x = all_equal(7, ranks->rank() + 1, dtype);
      ranks->sum(x);
      EXPECT_EQ(read(x), std::vector<double>(7, ranks->size() * (ranks->size() + 1) / 2.0)) << name(dtype);
    }
  });
}

TEST_P(NcclRanks, WhatIsAccumulatedIsAddedInTheOrderOfRanks) {
  constexpr int64_t kCount = 1000;
  exchange(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    for (int adding = 1; adding <= ranks->size(); ++adding) {
      std::vector<float> expected = shares(9, kCount);
      for (int r = 0; r < adding; ++r)
        for (int64_t i = 0; i < kCount; ++i) expected[static_cast<size_t>(i)] += share(r, i);
      Bounds slices{0};
      for (int r = 1; r <= ranks->size(); ++r) slices.push_back(kCount * r / ranks->size());
      const Tensor total = on_device(kCount, shares(9, kCount));
      ranks->start_accumulate(on_device(kCount, shares(ranks->rank(), kCount)), total, adding, slices).wait();
      ranks->start_all_gather(total, slices).wait();
      EXPECT_EQ(read(total), Tensor::from({kCount}, expected).to_doubles()) << adding;
    }
  });
}

TEST_P(NcclRanks, SlicesMayBeOfAnyLength) {
  exchange(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    const int n = ranks->size(), me = ranks->rank();
    Bounds slices(static_cast<size_t>(n), 0);  // the last rank has everything
    slices.push_back(300);
    const std::vector<double> expected(300, n * (n + 1) / 2.0);
    const Tensor x = all_equal(300, me + 1, DType::f64), total = Tensor::zeros_like(x);
    ranks->start_accumulate(x, total, n, slices).wait();
    ranks->start_reduce_scatter(x, slices).wait();
    for (const Tensor& each : {x, total}) {
      if (me == n - 1) {
        EXPECT_EQ(read(each), expected);
      }
      ranks->start_all_gather(each, slices).wait();
      EXPECT_EQ(read(each), expected);
    }
  });
}

TEST_P(NcclRanks, WordsAndTensorsReachAll) {
  exchange(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    const int me = ranks->rank();
    EXPECT_EQ(ranks->broadcast(text("of ", me)), "of 0");
    const Tensor x = all_equal(100, me + 1, DType::bf16);
    ranks->broadcast(x);
    EXPECT_EQ(read(x), std::vector<double>(100, 1));
    const Tensor host = Tensor::full({100}, DType::f64, me + 1);
    ranks->broadcast(host);
    EXPECT_EQ(host.to_doubles(), std::vector<double>(100, 1));
    EXPECT_ERROR_TEXT(ranks->broadcast(Tensor::empty({3}, DType::i32, Device::cuda)),
                      "NCCL: exchanges are of f32, bf16 and f64, not of i32");
  });
}

TEST_P(NcclRanks, NeighboursExchangeParcels) {
  exchange(GetParam(), [](const std::shared_ptr<Communicator>& ranks) {
    const int n = ranks->size(), me = ranks->rank();
    for (int round = 0; round < 3; ++round) {
      const Tensor left = Tensor::zeros({6}, DType::f32, Device::cuda), right = Tensor::zeros_like(left);
      {
        const Tensor mine = all_equal(6, 10 * round + me);
        std::vector<Communicator::Parcel> sent, received;
        if (me + 1 < n) sent.push_back({me + 1, mine}), received.push_back({me + 1, right});
        if (me > 0) sent.push_back({me - 1, mine}), received.push_back({me - 1, left});
        ranks->exchange(sent, received);
      }
      if (me > 0) {
        EXPECT_EQ(read(left), std::vector<double>(6, 10 * round + me - 1));
      }
      if (me + 1 < n) {
        EXPECT_EQ(read(right), std::vector<double>(6, 10 * round + me + 1));
      }
    }
  });
}

TEST(NcclStream, PartnersOvertakeWhatAllExchange) {
  exchange(4, [](const std::shared_ptr<Communicator>& ranks) {
    const int me = ranks->rank(), first = me / 2 * 2;
    const std::shared_ptr<Communicator> pair = ranks->with({first, first + 1});
    const Tensor all = all_equal(1, me), both = all_equal(1, me);
    Pending pending;
    if (me % 2 == 0) pending = ranks->start_sum(all);
    pair->sum(both);
    EXPECT_EQ(read(both), std::vector<double>{2.0 * first + 1});
    if (me % 2 == 1) pending = ranks->start_sum(all);
    pending.wait();
    EXPECT_EQ(read(all), std::vector<double>{6});
  });
}

// Rank 1 comes to the exchange only when rank 0 has gone on from its wait.
TEST(NcclStream, TheHostWaitsForNoExchange) {
  exchange(2, [](const std::shared_ptr<Communicator>& ranks) {
    const Tensor x = all_equal(10, ranks->rank() + 1);
    if (ranks->rank() == 1) ranks->barrier();
    ranks->start_reduce_scatter(x, {0, 5, 10}).wait();
    if (ranks->rank() == 0) ranks->barrier();
    EXPECT_EQ(read(x.slice(5 * ranks->rank(), 5 * ranks->rank() + 5)), std::vector<double>(5, 3));
  });
}

// The copy to the device is still under way when the exchange is started.
TEST(NcclStream, WhatComputingDidBeforeIsExchanged) {
  exchange(2, [](const std::shared_ptr<Communicator>& ranks) {
    const Tensor x = all_equal(1000, 1), brought = Tensor::full({1000}, DType::f32, 5);
    ranks->barrier();
    Pending pending;
    if (ranks->rank() == 1) pending = ranks->start_all_gather(x, {0, 1000, 1000});
    ranks->barrier();
    if (ranks->rank() == 0) {
      Tensor(x).copy_from(brought);
      pending = ranks->start_all_gather(x, {0, 1000, 1000});
      ranks->barrier();
      ranks->barrier();
    } else {
      ranks->barrier();
      pending.wait();
      EXPECT_EQ(read(x), std::vector<double>(1000, 5));
      ranks->barrier();
    }
    pending.wait();
  });
}

// Rank 0 leaves its exchange, whose memory goes to another tensor while the others still exchange.
TEST(NcclStream, MemoryThatIsGivenBackIsWrittenNoMore) {
  exchange(2, [](const std::shared_ptr<Communicator>& ranks) {
    if (ranks->rank() == 0) release_cached_memory(Device::cuda);
    ranks->barrier();
    Tensor x = all_equal(5000, 5 * ranks->rank());
    Pending pending = ranks->start_all_gather(x, {0, 0, 5000});
    if (ranks->rank() == 0) {
      const std::byte* const place = x.raw();
      x = Tensor();
      pending = {};
      const Tensor next = all_equal(5000, 7);
      EXPECT_EQ(next.raw(), place);
      read(next);  // it is written
      ranks->barrier();
      ranks->barrier();
      EXPECT_EQ(read(next), std::vector<double>(5000, 7));
    } else {
      ranks->barrier();
      pending.wait();
      EXPECT_EQ(read(x), std::vector<double>(5000, 5));
      ranks->barrier();
    }
  });
}

TEST(NcclStream, BytesAndSecondsAreCounted) {
  exchange(2, [](const std::shared_ptr<Communicator>& ranks) {
    const Tensor x = all_equal(1000, 1), total = Tensor::zeros_like(x);
    const int me = ranks->rank();
    const Bounds slices{0, 600, 1000};
    const int64_t own = (me == 0 ? 600 : 400) * 4, theirs = 4000 - own;
    const auto sent = [&](const std::function<void()>& exchange) {
      const int64_t before = ranks->bytes_sent();
      exchange();
      return ranks->bytes_sent() - before;
    };
    EXPECT_EQ(sent([&] { ranks->start_reduce_scatter(x, slices).wait(); }), theirs);
    EXPECT_EQ(sent([&] { ranks->start_all_gather(x, slices).wait(); }), own);
    EXPECT_EQ(sent([&] { ranks->start_accumulate(x, total, 1, slices).wait(); }), me == 0 ? theirs : 0);
    EXPECT_EQ(sent([&] { ranks->exchange({{1 - me, x}}, {{1 - me, total}}); }), 4000);
    EXPECT_EQ(sent([&] { ranks->broadcast(x); }), me == 0 ? 4000 : 0);

    // An event is asked for twice until it tells that it has come.
    const auto rest = [&] {
      for (int i = 0; i < 40; ++i) ranks->waited_seconds(), ranks->busy_seconds();
    };
    read(x);
    rest();
    const double waited = ranks->waited_seconds(), busy = ranks->busy_seconds();
    ranks->barrier();
    if (me == 1) std::this_thread::sleep_for(std::chrono::milliseconds(300));
    ranks->start_all_gather(x, slices).wait();
    read(x);
    rest();
    const double more_waited = ranks->waited_seconds() - waited, more_busy = ranks->busy_seconds() - busy;
    if (me == 0) {
      EXPECT_GT(more_waited, 0.2);
      EXPECT_GT(more_busy, 0.2);
    } else {
      EXPECT_LT(more_waited, 0.2);
    }
  });
}

TEST(NcclStream, GroupsAreLeftInOrder) {
  const simt::NcclUse before = simt::nccl_use();
  exchange(3, [](const std::shared_ptr<Communicator>& ranks) {
    const std::shared_ptr<Communicator> some = ranks->with({0, 1, 2});
    some->sum(all_equal(10, 1));
    EXPECT_GE(simt::nccl_use().members, 2);
  });
  EXPECT_EQ(simt::nccl_use().members, before.members);
  EXPECT_EQ(simt::nccl_use().aborted, before.aborted);
}

}  // namespace
}  // namespace lf
