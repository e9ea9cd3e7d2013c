// The same bits for any number of threads, at sizes where oneDNN's own cut of a product depends on it.
#include <gtest/gtest.h>

#include <array>
#include <set>

#include "core/hash.h"
#include "core/kernels/kernels.h"
#include "core/kernels/product_tiles.h"
#include "tests/program.h"
#include "tests/testing.h"
#include "tests/thread_count.h"
#include "tests/tiny_model.h"
#include "trainers/huggingface/model_folder.h"

namespace lf {
namespace {

// One linear layer's products.
struct Layer {
  Layer(int64_t rows, int64_t inputs, int64_t outputs, DType dtype)
      : x(random_tensor({rows, inputs}, dtype, 1)),
        dy(random_tensor({rows, outputs}, dtype, 2)),
        weight(random_tensor({outputs, inputs}, dtype, 3, 0.1)) {}

  // y, dx and dweight.
  std::vector<Tensor> products(int threads) const {
    const ThreadCount scope(threads);
    Tensor y = Tensor::like(dy), dx = Tensor::like(x), no_bias;
    Tensor dweight = Tensor::empty(weight.shape(), x.dtype() == DType::f64 ? DType::f64 : DType::f32);
    kernels::linear(x, weight, Tensor(), y);
    kernels::linear_backward_input(weight, dy, dx);
    kernels::linear_backward_weight(x, dy, dweight, no_bias);
    return {y, dx, dweight};
  }

  Tensor x, dy, weight;
};

// Fresh memory need not be zero.
TEST(ProductOfNoRows, LeavesNoGradient) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    const Layer layer(0, 32, 48, dtype);
    Tensor dweight = random_tensor({48, 32}, dtype == DType::f64 ? DType::f64 : DType::f32, 4);
    Tensor dbias = random_tensor({48}, dweight.dtype(), 5);
    kernels::linear_backward_weight(layer.x, layer.dy, dweight, dbias);
    EXPECT_EQ(dweight.to_doubles(), std::vector<double>(48 * 32)) << name(dtype);
    EXPECT_EQ(dbias.to_doubles(), std::vector<double>(48)) << name(dtype);
  }
}

TEST(ProductThreads, SameBitsForAnyNumberOfThreads) {
  for (const auto& [rows, inputs, outputs] :
       std::vector<std::array<int64_t, 3>>{{2048, 2048, 512},  // rows, a wide layer's way down
                                           {1, 768, 768},      // a classifier's row
                                           {4, 512, 2048},     // texts that are written side by side
                                           {33, 256, 256},
                                           {4099, 65, 33},
                                           {40, 768, 1}}) {
    for (const DType dtype : {DType::f32, DType::bf16}) {
      SCOPED_TRACE(text(rows, " x ", inputs, " x ", outputs, ' ', name(dtype)));
      const Layer layer(rows, inputs, outputs, dtype);
      const std::vector<Tensor> one = layer.products(1);
      for (const int threads : {2, 3, 4, 5, 8}) {
        SCOPED_TRACE(text(threads, " threads"));
        const std::vector<Tensor> more = layer.products(threads);
        for (size_t i = 0; i < one.size(); ++i) EXPECT_SAME_BITS(one[i], more[i]);
      }
    }
  }
}

// Against the plain loop that double precision takes; the sums over rows are long enough to be cut.
TEST(ProductThreads, ValuesOfProductsThatAreCut) {
  for (const int64_t rows : {4099, 33}) {
    SCOPED_TRACE(rows);
    const std::vector<Tensor> cut = Layer(rows, 209, 193, DType::f32).products(2),
                              plain = Layer(rows, 209, 193, DType::f64).products(2);
    for (size_t i = 0; i < cut.size(); ++i) EXPECT_CLOSE(cut[i], plain[i], 1e-3);
  }
}

// In a parallel loop too, where oneDNN's share of the threads is another.
TEST(ProductThreads, SameBitsInsideAParallelLoop) {
  const Layer layer(1, 768, 768, DType::f32);
  const std::vector<Tensor> outside = layer.products(4);
  std::vector<std::vector<Tensor>> inside(2);
#pragma omp parallel for num_threads(2)
  for (size_t i = 0; i < 2; ++i) inside[i] = layer.products(4);
  for (const auto& each : inside) {
    for (size_t i = 0; i < outside.size(); ++i) EXPECT_SAME_BITS(outside[i], each[i]);
  }
}

TEST(ProductTiles, CoverEveryElementOnce) {
  using kernels::Product, kernels::ProductTiles, kernels::ProductTile, kernels::SmallTiles;
  size_t cut_rows = 0, cut_columns = 0, cut_depth = 0;
  for (const Product& p : std::vector<Product>{{1, 1, 1, false, false},
                                               {0, 5, 3, false, false},
                                               {301, 129, 65, false, true},
                                               {4099, 192, 192, false, true},
                                               {192, 192, 4099, true, false},
                                               {616, 50265, 7, false, true},
                                               {2048, 2049, 512, false, false}}) {
    for (const SmallTiles small : {SmallTiles::packed, SmallTiles::in_place}) {
      SCOPED_TRACE(
          text(p.M, " x ", p.N, " x ", p.K, small == SmallTiles::packed ? "" : ", small ones in place"));
      const ProductTiles tiles(p, small);
      int64_t volume = 0, previous_piece = 0;
      std::set<std::array<int64_t, 3>>
          corners;  // of tiles that are aligned, equal volumes leave no room to overlap
      for (int64_t i = 0; i < tiles.count(); ++i) {
        const ProductTile t = tiles[i];
        EXPECT_TRUE(t.row + t.rows <= p.M && t.column + t.columns <= p.N && t.begin + t.depth <= p.K);
        EXPECT_TRUE(t.piece >= previous_piece && t.piece < tiles.pieces());
        EXPECT_EQ(t.offset_a(p), p.transpose_a ? t.begin * p.M + t.row : t.row * p.K + t.begin);
        EXPECT_EQ(t.offset_b(p), p.transpose_b ? t.column * p.K + t.begin : t.begin * p.N + t.column);
        volume += t.rows * t.columns * t.depth;
        EXPECT_TRUE(corners.insert({t.row, t.column, t.begin}).second);
        previous_piece = t.piece;
        cut_rows += t.row > 0;
        cut_columns += t.column > 0;
        cut_depth += t.begin > 0;
      }
      EXPECT_EQ(volume, p.M * p.N * p.K);
    }
  }
  EXPECT_TRUE(cut_rows > 0 && cut_columns > 0 && cut_depth > 0);
}

// 512 x 512 is small by oneDNN's rule, 1024 x 512 is not: the sum is cut instead.
TEST(ProductTiles, AreNotSmallWhereThatIsSlow) {
  using kernels::Product, kernels::ProductTiles, kernels::SmallTiles;
  const Product gradient_of_a_weight{2048, 512, 2048, true, false};
  EXPECT_EQ(ProductTiles(gradient_of_a_weight, SmallTiles::packed)[0].rows, 256);
  const ProductTiles tiles(gradient_of_a_weight, SmallTiles::in_place);
  EXPECT_EQ(tiles.count(), 4);
  EXPECT_EQ(tiles[0].rows, 1024);
  EXPECT_EQ(tiles[0].columns, 512);
  EXPECT_EQ(tiles[0].depth, 1024);
  // One that is small anyway is cut as ever.
  const Product narrow{4096, 192, 768, false, true};
  EXPECT_EQ(ProductTiles(narrow, SmallTiles::in_place)[0].rows,
            ProductTiles(narrow, SmallTiles::packed)[0].rows);
}

// Runs of a model 256 wide: every file of the last checkpoint.
std::string trained(const Program& program, const std::string& name, int threads) {
  const ProgramResult result = program.run({"train", program / "config.yaml", "--out", program / name}, "",
                                           {text("OMP_NUM_THREADS=", threads)});
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string checkpoints = program / (name + "/checkpoints/");
  std::string bytes;
  for (const char* file : {"model.safetensors", "optimizer.safetensors"})
    bytes += content_hash_of_file(checkpoints + entries(checkpoints).back() + "/" + file).hash;
  return bytes + read_file(program / (name + "/log.jsonl"));
}

TEST(ProductThreads, TrainingAWideModelEndsWithTheSameBits) {
  const Program program;
  program.write("corpus.txt", read_file(source_path("data/samples/enwik8-1MB")).substr(0, 20000));
  program.write("config.yaml", "data: {path: " + (program / "corpus.txt") + R"(, kind: bytes}
model: {layers: 2, width: 256, heads: 4, feed_forward: 1024, dropout: 0.1}
stages: {list: [{name: a, sequence_length: 96, windows: [8, 16], learning_rate: 0.002, batch_size: 4, steps: 2}]}
validation: {tokens: 200}
evaluation: {sequence_length: 96, step: 48}
)");
  const std::string one = trained(program, "one", 1);
  for (const int threads : {2, 5}) EXPECT_EQ(one, trained(program, text("run", threads), threads)) << threads;
}

// A masked language model, trained and asked about texts of more than 33 tokens.
TEST(ProductThreads, PredictionsOfAWideModelAreTheSameBits) {
  const Program program;
  nlohmann::json config = tiny_config("longformer");
  config["hidden_size"] = 256;
  config["intermediate_size"] = 1024;
  const std::string model = program / "model";
  write_model_folder(model, config, random_parameters(encoder_shape({"config.json", config}), 1),
                     kTinyTokenizer);
  nlohmann::json ids = nlohmann::json::array();
  for (int i = 0; i < 45; ++i) ids.push_back(5 + 7 * i % 300);
  program.write("records.jsonl", nlohmann::json{{"id", "a"}, {"ids", ids}}.dump() + "\n");
  const auto predicted = [&](int threads) {
    const std::string out = program / text("out", threads, ".safetensors");
    const ProgramResult result =
        program.run({"predict", model, program / "records.jsonl", "--what", "logits", "--out", out}, "",
                    {text("OMP_NUM_THREADS=", threads)});
    EXPECT_EQ(result.code, 0) << result.err;
    return read_file(out);
  };
  const std::string one = predicted(1);
  EXPECT_GT(one.size(), 45u * 341 * 4);
  for (const int threads : {2, 3, 5, 8}) EXPECT_TRUE(one == predicted(threads)) << threads;
}

}  // namespace
}  // namespace lf
