// Predictions that ranks, as threads of this process, divide: what is written, and by whom it is computed.
#include "trainers/ranks/divided_predictions.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "data/records.h"
#include "tests/core/communicator/ranks_in_threads.h"
#include "tests/testing.h"
#include "trainers/ranks/shared_records.h"

namespace lf {
namespace {

using nlohmann::ordered_json;

// Everything that it is told, as words.
struct ToldSink : PredictionSink {
  std::string told;

  void begin_tensors(const std::vector<TensorSpec>& specs) override { told += text("begin ", specs.size()); }
  void tensor(const Tensor& values) override { told += text("tensor ", words(values)); }
  void part(const Tensor& values) override { told += text("part ", words(values)); }
  void line(const ordered_json& answer) override {
    told += text(answer.at("z").dump(), answer.at("a").dump(), answer.at("text").get<std::string>(), '\n');
  }
  void note(const std::string& message) override { told += "note " + message + "\n"; }

  static std::string words(const Tensor& values) {
    std::string result = text(name(values.dtype()), ' ', values.shape(), ':');
    for (const double value : values.to_doubles()) result += text(' ', value);
    return result + "\n";
  }
};

// Answers pieces of so much work as a task does, and counts those that it computes.
std::vector<size_t> answer(PredictionSink& sink, const std::vector<int64_t>& works) {
  std::vector<size_t> computed;
  sink.note("of all");
  sink.begin_tensors(std::vector<TensorSpec>(works.size()));
  for (size_t i = 0; i < works.size(); ++i) {
    if (!sink.is_mine(works[i])) continue;
    computed.push_back(i);
    const auto number = static_cast<double>(i);
    for (int part = 0; part < 3; ++part)
      sink.part(Tensor::full({1, works[i] % 50, 2}, DType::f32, number + part / 7.0));
    sink.tensor(Tensor::full({}, DType::f64, std::sqrt(number)));
    sink.tensor(Tensor::full({0, 3}, DType::bf16, 1));
    if (i % 3 == 0) sink.note(text("piece ", i));
    sink.line({{"z", i}, {"a", 0.1 * number}, {"text", std::string("\xff\x00 caf\xc3\xa9", 7 - i % 2)}});
    sink.end_piece();
  }
  return computed;
}

const std::vector<int64_t> kRagged = {900, 3, 40, 40, 700, 1, 1, 1, 500, 30, 30, 30, 2, 800, 60, 7, 7, 7, 90};

struct Divided {
  std::string told;                           // on rank 0
  std::vector<std::vector<size_t>> computed;  // by each rank
};

Divided divided(int count, const std::vector<int64_t>& works, int64_t most_kept) {
  Divided result{.told = {}, .computed = std::vector<std::vector<size_t>>(static_cast<size_t>(count))};
  run_ranks(count, [&](const std::shared_ptr<Communicator>& ranks) {
    ToldSink whole;
    DividedPredictions own(*ranks, whole, most_kept);
    result.computed[static_cast<size_t>(ranks->rank())] = answer(own, works);
    own.finish();
    ranks->barrier();  // what follows goes on as ever
    if (ranks->rank() == 0)
      result.told = whole.told;
    else
      EXPECT_EQ(whole.told, "");
  });
  return result;
}

TEST(DividedPredictionsTest, RanksWriteWhatOneWrites) {
  ToldSink one;
  answer(one, kRagged);
  for (const int count : {2, 3, 5}) {
    // With and without waiting for room at every answer.
    for (const int64_t most_kept : {DividedPredictions::kMostKept, int64_t{0}, int64_t{700}}) {
      const Divided by_all = divided(count, kRagged, most_kept);
      EXPECT_EQ(by_all.told, one.told) << count << " ranks that keep " << most_kept;
      size_t pieces = 0;
      for (const std::vector<size_t>& computed : by_all.computed) {
        EXPECT_FALSE(computed.empty());
        pieces += computed.size();
      }
      EXPECT_EQ(pieces, kRagged.size());
    }
  }
}

TEST(DividedPredictionsTest, WorkIsDividedByTokensNotByPieces) {
  // One long piece for rank 0; the others have the short ones until they have as much.
  std::vector<int64_t> works(61, 10);
  works[0] = 300;
  const Divided by_all = divided(3, works, DividedPredictions::kMostKept);
  EXPECT_EQ(by_all.computed[0].size(), 1u);
  EXPECT_EQ(by_all.computed[1].size(), 30u);
  EXPECT_EQ(by_all.computed[2].size(), 30u);
  // Fewer pieces than ranks.
  EXPECT_EQ(divided(4, {5, 5}, DividedPredictions::kMostKept).computed[3].size(), 0u);
}

TEST(DividedPredictionsTest, AnErrorOfOneRankEndsAll) {
  for (const int failing : {0, 2}) {
    std::vector<int> ended(3);
    const auto run = [&] {
      run_ranks(3, [&](const std::shared_ptr<Communicator>& ranks) {
        ToldSink whole;
        DividedPredictions own(*ranks, whole);
        ended[static_cast<size_t>(ranks->rank())] = 1;
        for (int piece = 0; piece < 30; ++piece) {
          if (!own.is_mine(1)) continue;
          CHECK(piece < 9 || ranks->rank() != failing, "record ", piece, " is wrong");
          own.note(text("piece ", piece));
          own.end_piece();
        }
        own.finish();
        ranks->barrier();
        ended[static_cast<size_t>(ranks->rank())] = 2;
      });
    };
    EXPECT_ERROR_TEXT(run(), "is wrong");
    EXPECT_EQ(ended, (std::vector<int>{1, 1, 1}));
  }
}

TEST(SharedRecords, AreThoseOfTheFirstRank) {
  Record full{.id = "a", .where = "file:1", .text = {}, .rows = 2, .length = 3};
  full.ids = {1, 2, 3, 4, 5, 60000}, full.mask = {1, 1, 0, 1, 1, 1}, full.labels = {-1, 5, -1, -1, -1, 7};
  full.global = {{0, 2}, {}};
  Record words{.id = "b", .where = "file:2", .text = std::string("\xff\x00 \xc3\xa9", 5)};
  run_ranks(3, [&](const std::shared_ptr<Communicator>& ranks) {
    const std::vector<Record> shared = shared_records(*ranks, [&] {
      CHECK(ranks->rank() == 0, "another rank reads too");
      return std::vector{full, words};
    });
    ASSERT_EQ(shared.size(), 2u);
    EXPECT_EQ(std::tie(shared[0].id, shared[0].where, shared[0].text, shared[0].rows, shared[0].length),
              std::tie(full.id, full.where, full.text, full.rows, full.length));
    EXPECT_EQ(std::tie(shared[0].ids, shared[0].mask, shared[0].labels, shared[0].global),
              std::tie(full.ids, full.mask, full.labels, full.global));
    EXPECT_EQ(std::tie(shared[1].id, shared[1].text), std::tie(words.id, words.text));
  });
  EXPECT_ERROR_TEXT(run_ranks(2,
                              [&](const std::shared_ptr<Communicator>& ranks) {
                                shared_records(*ranks,
                                               []() -> std::vector<Record> { throw Error("no file"); });
                              }),
                    "no file");
}

}  // namespace
}  // namespace lf
