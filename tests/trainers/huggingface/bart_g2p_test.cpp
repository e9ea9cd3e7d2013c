// A trained BART, which turns English words into phonemes (MisakiSwift's us_bart), against what transformers
// says of it: an encoder row, logits, and what it writes for 25 words.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/files.h"
#include "layers/seq2seq_decoder.h"
#include "tests/places.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"
#include "trainers/huggingface/convert_led.h"
#include "trainers/huggingface/pretrained_weights.h"
#include "trainers/huggingface/seq2seq_config.h"

namespace lf {
namespace {

// Every character of a text, in UTF-8.
std::vector<std::string> characters_of(const std::string& text) {
  std::vector<std::string> result;
  for (const char byte : text) {
    if ((static_cast<unsigned char>(byte) & 0xC0) != 0x80) result.emplace_back();
    result.back() += byte;
  }
  return result;
}

// The files under the names that transformers gives them.
std::string model_folder(const TemporaryFolder& folder, const std::string& from) {
  std::filesystem::create_directory(folder / "bart");
  std::filesystem::copy_file(from + "/us_bart_config.json", folder / "bart/config.json");
  std::filesystem::copy_file(from + "/us_bart.safetensors", folder / "bart/model.safetensors");
  return folder / "bart";
}

struct PhonemeModel {
  ModelConfig config;
  Seq2Seq model;
  ParameterBlock block;

  explicit PhonemeModel(const std::string& from)
      : config(read_model_config(from)), model(seq2seq_shape(config)), block(pack(model)) {
    load_pretrained(from, kSeq2SeqNames, {}, block);
  }

  EncoderOutput encode(const std::string& word) const {
    const std::string letters = config.json.at("grapheme_chars");
    std::vector<int32_t> ids{model.shape.begin_id};
    for (const char letter : word) ids.push_back(static_cast<int32_t>(letters.find(letter)));
    ids.push_back(model.shape.end_id);
    const NoGrad no_grad;
    EncoderInput input;
    input.ids = Tensor::from({std::ssize(ids)}, ids), input.offsets = {0, std::ssize(ids)};
    if (model.shape.is_led()) input.global_tokens = std::make_shared<GlobalTokens>(GlobalTokens{{0, 1}, {0}});
    return model.encode(input, {});
  }
  // The likeliest token, again and again.
  std::string write(const std::string& word) const {
    const std::vector<std::string> phonemes = characters_of(config.json.at("phoneme_chars"));
    Seq2SeqDecoder decoder(model);
    decoder.add(encode(word), 1);
    std::string written;
    for (int32_t id = model.shape.start_id; id != model.shape.end_id;) {
      const Tensor logits = decoder.next(Tensor::from({1}, std::vector{id}));
      const float* row = logits.data<float>();
      id = static_cast<int32_t>(std::max_element(row, row + logits.dim(1)) - row);
      constexpr int32_t kFirstPhoneme = 4;  // behind the special tokens
      if (id >= kFirstPhoneme) written += phonemes.at(static_cast<size_t>(id));
    }
    return written;
  }
};

void expect_reference_words(const PhonemeModel& phonemes, const std::string& folder) {
  std::ifstream words(folder + "/bart-reference.tsv");
  int compared = 0;
  for (std::string line; std::getline(words, line); ++compared) {
    const size_t tab = line.find('\t');
    EXPECT_EQ(phonemes.write(line.substr(0, tab)), line.substr(tab + 1)) << line;
  }
  EXPECT_EQ(compared, 25);
}

TEST(BartG2P, HiddenStatesAndLogitsEqualTransformers) {
  REQUIRE_SHARED(folder, "data/bart-g2p");
  const TemporaryFolder temporary;
  const PhonemeModel phonemes(model_folder(temporary, folder));
  const auto expected = nlohmann::json::parse(read_file(folder + "/bart-numeric-reference.json"));
  const EncoderOutput source = phonemes.encode("clawdy");
  const auto row = expected.at("encoder_row0").get<std::vector<float>>();
  EXPECT_TRUE(compare(source.hidden.value().slice(0, 1).view({std::ssize(row)}),
                      Tensor::from({std::ssize(row)}, row), 1e-5));
  Seq2SeqDecoder decoder(phonemes.model);
  decoder.add(source, 1);
  const Tensor logits = decoder.next(Tensor::from({1}, std::vector{phonemes.model.shape.start_id}));
  const auto first = expected.at("first_logits").get<std::vector<float>>();
  EXPECT_TRUE(compare(logits.view({std::ssize(first)}), Tensor::from({std::ssize(first)}, first), 2e-5));
}

TEST(BartG2P, WritesWhatTransformersWrites) {
  REQUIRE_SHARED(folder, "data/bart-g2p");
  const TemporaryFolder temporary;
  expect_reference_words(PhonemeModel(model_folder(temporary, folder)), folder);
}

// Windows at least as long as the word, and <s> global by copies of its own projections.
TEST(BartG2P, WritesTheSameAsLed) {
  REQUIRE_SHARED(folder, "data/bart-g2p");
  const TemporaryFolder temporary;
  convert_to_led({.source = model_folder(temporary, folder),
                  .destination = temporary / "led",
                  .max_positions = 300,
                  .window = 64});
  const PhonemeModel led(temporary / "led");
  EXPECT_TRUE(led.model.shape.is_led());
  EXPECT_EQ(led.model.shape.encoder.longest(), 300);
  EXPECT_EQ(led.model.shape.longest_target(), 64);
  const Tensor positions = led.model.model.encoder.embeddings.positions.value;
  EXPECT_TRUE(compare(positions.slice(64, 128), positions.slice(0, 64), 0));
  expect_reference_words(led, folder);
}

}  // namespace
}  // namespace lf
