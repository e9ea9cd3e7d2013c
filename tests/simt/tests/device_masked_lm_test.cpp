// A pretrained masked language model on the device: its updates, global tokens and predictions are the CPU's.
#include <gtest/gtest.h>

#include <fstream>

#include "data/document_tokenizer.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "trainers/prediction.h"
#include "trainers/run_log.h"
#include "trainers/trainer.h"

namespace lf {
namespace {

class DeviceMaskedLM : public ::testing::Test {
 protected:
  void SetUp() override {
    std::ofstream(folder_ / "text.txt")
        << read_file(LF_SOURCE_DIR "/data/samples/enwik8-1MB").substr(0, 20000);
    DocumentRequest request;
    request.sources = {folder_ / "text.txt"};
    request.folder = folder_ / "corpus";
    request.tokenizer = document_tokenizer(std::make_shared<ByteLevelTokenizer>(kTinyTokenizer));
    prepare_documents(request);
    write_tiny_model(folder_ / "model", "longformer");
  }

  std::vector<double> losses(const std::string& device) {
    const RunConfig config = parse_run_config(
        "task: masked_lm\ndevice: " + device + "\ndata: {path: " + (folder_ / "corpus") +
            "}\nmasked_lm: {model: " + (folder_ / "model") +
            "}\nstages: {list: [{name: a, learning_rate: 0.003, batch_size: 2, micro_batch: 1, "
            "sequence_length: 40, steps: 3}]}\nlog: {every_steps: 1, tensorboard: false}\n"
            "validation: {tokens: 200}\n",
        "test.yaml");
    EXPECT_EQ(Trainer(config, folder_ / device, false).run(), RunEnd::finished);
    std::vector<double> result;
    for (const LogRecord& record : read_run_log(folder_ / (device + "/log.jsonl"))) {
      if (record.fields.at("event") == "step") result.push_back(log_number(record.fields.at("loss")));
    }
    return result;
  }

  TemporaryFolder folder_;
};

TEST_F(DeviceMaskedLM, LossesAreTheCpus) {
  const std::vector<double> expected = losses("cpu"), received = losses("cuda");
  ASSERT_EQ(expected.size(), 3u);
  ASSERT_EQ(received.size(), 3u);
  for (size_t i = 0; i < 3; ++i) EXPECT_NEAR(received[i], expected[i], 1e-5 * expected[i]) << i;
}

TEST_F(DeviceMaskedLM, PredictsWhatTheCpuPredicts) {
  Record record;
  record.where = "a:1", record.rows = 2, record.length = 20;
  for (int32_t i = 0; i < 40; ++i) record.ids.push_back(i % 7 == 3 ? 4 : 5 + i * 31 % 300);
  record.mask.assign(40, 1);
  for (size_t i = 36; i < 40; ++i) record.mask[i] = 0;
  record.global = {{0, 7}, {2}};
  record.labels.assign(40, -1);
  record.labels[3] = 17, record.labels[24] = 200;
  const std::string model = folder_ / "model";
  const OpenedMaskedLM here = open_masked_lm(model, "latest"),
                       there = open_masked_lm(model, "latest", Device::cuda);
  ASSERT_EQ(there.block.values.device(), Device::cuda);
  for (const Prediction what : {Prediction::hidden, Prediction::logits, Prediction::loss})
    EXPECT_CLOSE(predict(there.model, record, what), predict(here.model, record, what), 1e-5);
  const auto expected = fill_masks(here.model, record, 4, 3),
             received = fill_masks(there.model, record, 4, 3);
  ASSERT_EQ(received.size(), expected.size());
  ASSERT_FALSE(received.empty());
  for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(received[i].ids, expected[i].ids);
}

}  // namespace
}  // namespace lf
