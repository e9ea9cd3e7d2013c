// Hugging Face model folders: what is read, refused and written, and RoBERTa becoming a Longformer.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "core/kernels/convert.h"
#include "tests/temporary_folder.h"
#include "tests/tiny_model.h"
#include "trainers/huggingface/convert.h"

namespace lf {
namespace {

EncoderInput some_input(int64_t T) {
  std::vector<int32_t> ids;
  for (int64_t t = 0; t < 2 * T; ++t) ids.push_back(static_cast<int32_t>(t % T == 0 ? 0 : 5 + t * 37 % 330));
  return {.ids = Tensor::from({2, T}, ids)};
}

Tensor words_of(const std::vector<NamedTensor>& tensors) {
  return std::find_if(
             tensors.begin(), tensors.end(),
             [](const NamedTensor& t) { return t.name == "roberta.embeddings.word_embeddings.weight"; })
      ->tensor;
}

class HuggingFace : public ::testing::Test {
 protected:
  std::string roberta() { return write_tiny_model(folder_ / "roberta", "roberta"); }
  std::string convert(int64_t max_positions, int64_t window, NewPositions positions = NewPositions::copied) {
    const std::string destination = folder_ / text("longformer", max_positions, '-', window);
    convert_to_longformer({.source = folder_ / "roberta",
                           .destination = destination,
                           .max_positions = max_positions,
                           .window = window,
                           .positions = positions});
    return destination;
  }
  TemporaryFolder folder_;
};

TEST_F(HuggingFace, ALongformerWithWideWindowsIsTheRobertaItCameFrom) {
  const LoadedModel source(roberta()), target(convert(64, 128));
  const EncoderInput input = some_input(40);
  const Tensor expected = source.model.logits(source.model.encoder(input, {})).value();
  EXPECT_CLOSE(target.model.logits(target.model.encoder(input, {})).value(), expected, 1e-5);
  const LoadedModel narrow(convert(64, 4));
  EXPECT_FALSE(compare(narrow.model.logits(narrow.model.encoder(input, {})).value(), expected, 1e-2));
}

TEST_F(HuggingFace, PositionsAreCopiedOverAndOverAndProjectionsCopied) {
  const SafetensorsFile source(roberta() + "/model.safetensors"),
      target(convert(150, 8) + "/model.safetensors");
  const std::string positions = "embeddings.position_embeddings.weight";
  const Tensor before = source.read("roberta." + positions), after = target.read("longformer." + positions);
  ASSERT_EQ(after.shape(), (Shape{152, 32}));
  for (int64_t row = 0; row < 152; ++row) {
    const int64_t from = row < 2 ? row : 2 + (row - 2) % 64;
    EXPECT_EQ(after.slice(row, row + 1).to_doubles(), before.slice(from, from + 1).to_doubles()) << row;
  }
  size_t copies = 0;
  for (const std::string& name : target.names()) {
    const size_t at = name.find("_global.");
    copies += at != std::string::npos;
    const std::string local = at == std::string::npos ? name : name.substr(0, at) + name.substr(at + 7);
    if (local.find("position_embeddings") != std::string::npos) continue;
    const std::string old = local.starts_with("longformer.") ? "roberta." + local.substr(11) : local;
    EXPECT_EQ(target.read(name).to_doubles(), source.read(old).to_doubles()) << name;
  }
  EXPECT_EQ(copies, 12u);
  EXPECT_EQ(target.names().size(), source.names().size() + 12);
}

TEST_F(HuggingFace, ConfigSaysWhatTheModelBecame) {
  roberta();
  const std::string target = convert(150, 8);
  const nlohmann::json config = read_model_config(target).json;
  EXPECT_EQ(config.at("model_type"), "longformer");
  EXPECT_EQ(config.at("architectures"), nlohmann::json({"LongformerForMaskedLM"}));
  EXPECT_EQ(config.at("attention_window"), nlohmann::json({8, 8}));
  EXPECT_EQ(config.at("max_position_embeddings"), 152);
  EXPECT_EQ(config.at("sep_token_id"), 2);
  EXPECT_EQ(read_file(target + "/vocab.json"), read_file(std::string(kTinyTokenizer) + "/vocab.json"));
}

TEST_F(HuggingFace, TokenizersAreDescribedForTransformers) {
  const auto described = [&](const std::string& folder) {
    return nlohmann::json::parse(read_file(folder + "/tokenizer_config.json"));
  };
  const std::string source = write_tiny_model(folder_ / "source", "roberta");
  EXPECT_EQ(described(source).at("model_max_length"), 64);
  EXPECT_EQ(described(source).at("tokenizer_class"), "RobertaTokenizer");
  EXPECT_EQ(described(source).at("mask_token").at("lstrip"), true);
  write_file_atomically(source + "/tokenizer_config.json", R"({"model_max_length": 64, "clean_up": "kept"})");
  convert_to_longformer(
      {.source = source, .destination = folder_ / "long", .max_positions = 200, .window = 8});
  EXPECT_EQ(described(folder_ / "long"),
            (nlohmann::json{
                {"model_max_length", 200}, {"clean_up", "kept"}, {"tokenizer_class", "RobertaTokenizer"}}));
}

TEST_F(HuggingFace, TokensThatTheModelDoesNotKnowAreSaid) {
  const std::string source = write_tiny_model(folder_ / "source", "roberta");
  const auto said = [&](const std::string& destination) {
    testing::internal::CaptureStderr();
    convert_to_longformer(
        {.source = source, .destination = folder_ / destination, .max_positions = 200, .window = 8});
    return testing::internal::GetCapturedStderr();
  };
  EXPECT_EQ(said("before"), "");
  write_file_atomically(source + "/tokenizer_config.json", R"({"mask_token": "[MASK]"})");
  const std::string after = said("after");
  EXPECT_NE(after.find("the tokenizer in " + source + " has "), std::string::npos) << after;
}

TEST_F(HuggingFace, WholeWeightsAreNotCalledPacked) {
  const std::string source = write_tiny_model(folder_ / "source", "roberta");
  nlohmann::json config = tiny_config("roberta");
  config["quantization_config"] = {{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}};
  replace_config(source, config);
  testing::internal::CaptureStderr();
  convert_to_longformer(
      {.source = source, .destination = folder_ / "long", .max_positions = 200, .window = 8});
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_FALSE(read_model_config(folder_ / "long").json.contains("quantization_config"));
  EXPECT_NE(said.find("quantization_config is left out"), std::string::npos) << said;
}

TEST_F(HuggingFace, RandomPositionsKeepTheSourcesOwn) {
  roberta();
  const SafetensorsFile copied(convert(128, 8) + "/model.safetensors"),
      random(convert(130, 8, NewPositions::random) + "/model.safetensors");
  const std::string name = "longformer.embeddings.position_embeddings.weight";
  EXPECT_EQ(random.read(name).slice(0, 66).to_doubles(), copied.read(name).slice(0, 66).to_doubles());
  double squares = 0;
  const std::vector<double> drawn = random.read(name).slice(66, 132).to_doubles();
  for (const double v : drawn) squares += v * v;
  EXPECT_NEAR(std::sqrt(squares / static_cast<double>(drawn.size())), 0.02, 0.002);
}

TEST_F(HuggingFace, ConversionRefusesWhatDoesNotFit) {
  roberta();
  EXPECT_ERROR_TEXT(convert(32, 8), "--max-positions is 32, but the source has 64 positions already");
  EXPECT_ERROR_TEXT(convert(128, 7), "--window is 7");
  const std::string longformer = convert(128, 8);
  EXPECT_ERROR_TEXT(convert(128, 8), "exists already");
  EXPECT_ERROR_TEXT(convert_to_longformer({.source = longformer, .destination = folder_ / "again"}),
                    "is a Longformer already");
  nlohmann::json config = tiny_config("bert");
  replace_config(folder_ / "roberta", config);
  EXPECT_ERROR_TEXT(convert(256, 8), "model_type is bert; supported are longformer and RoBERTa's");
  config = tiny_config("roberta");
  config["num_hidden_layers"] = 3;
  replace_config(folder_ / "roberta", config);
  EXPECT_ERROR_TEXT(convert(256, 8), "missing: encoder.layer.2.attention.self.query.weight (32, 32)");
  config = tiny_config("roberta");
  config["hidden_act"] = "relu";
  replace_config(folder_ / "roberta", config);
  EXPECT_ERROR_TEXT(convert(256, 8), "hidden_act is relu");
  EXPECT_EQ(entries(folder_.path()), (std::vector<std::string>{"longformer128-8", "roberta"}));
}

TEST_F(HuggingFace, ConversionRefusesWeightsThatDoNotFit) {
  const std::string folder = roberta();
  const auto damaged = [&](const std::function<void(std::vector<NamedTensor>&)>& damage) {
    std::vector<NamedTensor> tensors = random_parameters(encoder_shape(read_model_config(folder)), 1);
    damage(tensors);
    replace_weights(folder, tensors);
    return error_of([&] { convert(128, 8); });
  };
  const auto find = [](std::vector<NamedTensor>& tensors, const std::string& name) {
    return std::find_if(tensors.begin(), tensors.end(), [&](const NamedTensor& t) { return t.name == name; });
  };
  const std::string bias = "roberta.encoder.layer.0.attention.self.key.bias";
  EXPECT_NE(damaged([&](auto& t) {
              t.erase(find(t, bias));
            }).find("missing: encoder.layer.0.attention.self.key.bias"),
            std::string::npos);
  EXPECT_NE(damaged([&](auto& t) {
              find(t, bias)->tensor = Tensor::zeros({4}, DType::f32);
            }).find("the model needs (32)"),
            std::string::npos);
  EXPECT_NE(damaged([&](auto& t) {
              find(t, bias)->tensor = Tensor::zeros({32}, DType::i64);
            }).find("needed a floating"),
            std::string::npos);
  EXPECT_NE(damaged([&](auto& t) {
              t.push_back({"roberta.encoder.layer.9.output.dense.bias", Tensor::zeros({32}, DType::f32)});
            }).find("not part of the model: roberta.encoder.layer.9"),
            std::string::npos);
  // Heads other than the masked language model's come along.
  EXPECT_EQ(damaged([&](auto& t) {
              t.push_back({"classifier.out_proj.bias", Tensor::zeros({3}, DType::f32)});
            }),
            "");
  EXPECT_TRUE(
      SafetensorsFile(folder_ / "longformer128-8/model.safetensors").contains("classifier.out_proj.bias"));
}

TEST_F(HuggingFace, DestinationsMayEndWithASlashButNotExist) {
  roberta();
  convert_to_longformer({.source = folder_ / "roberta", .destination = folder_ / "new/"});
  EXPECT_EQ(entries(folder_.path()), (std::vector<std::string>{"new", "roberta"}));
  EXPECT_ERROR_TEXT(convert_to_longformer({.source = folder_ / "roberta", .destination = ""}),
                    "destination is empty");
}

TEST_F(HuggingFace, LoadingNamesEverythingThatDoesNotFit) {
  const std::string folder = roberta();
  std::vector<NamedTensor> tensors = random_parameters(encoder_shape(read_model_config(folder)), 1);
  const auto at = [&](const std::string& name) {
    return std::find_if(tensors.begin(), tensors.end(), [&](const NamedTensor& t) { return t.name == name; });
  };
  at("lm_head.dense.bias")->name = "lm_head.dense.offset";
  at("roberta.encoder.layer.1.output.dense.bias")->tensor = Tensor::zeros({31}, DType::f32);
  replace_weights(folder, tensors);
  const std::string error = error_of([&] { LoadedModel{folder}; });
  EXPECT_NE(error.find("missing: lm_head.dense.bias (32)"), std::string::npos) << error;
  EXPECT_NE(error.find("not part of the model: lm_head.dense.offset"), std::string::npos) << error;
  EXPECT_NE(error.find("output.dense.bias is (31), the model needs (32)"), std::string::npos) << error;
}

TEST_F(HuggingFace, AliasesBuffersAndThePoolerArePassedOver) {
  const std::string folder = roberta();
  std::vector<NamedTensor> tensors = random_parameters(encoder_shape(read_model_config(folder)), 1);
  const LoadedModel plain(folder);
  const Tensor words = words_of(tensors);
  for (NamedTensor& t : tensors) {
    if (t.name == "lm_head.bias") t.name = "lm_head.decoder.bias";  // as older files have it
  }
  tensors.push_back({"lm_head.decoder.weight", words});
  tensors.push_back({"roberta.embeddings.position_ids", Tensor::zeros({1, 66}, DType::i64)});
  tensors.push_back({"roberta.pooler.dense.weight", Tensor::zeros({32, 32}, DType::f32)});
  replace_weights(folder, tensors);
  const LoadedModel again(folder);
  EXPECT_EQ(again.block.values.to_doubles(), plain.block.values.to_doubles());
  tensors[tensors.size() - 3].tensor = Tensor::zeros(words.shape(), DType::f32);
  replace_weights(folder, tensors);
  EXPECT_ERROR_TEXT(LoadedModel{folder},
                    "lm_head.decoder.weight differs from "
                    "roberta.embeddings.word_embeddings.weight; they must be tied");
}

// As checkpoints of 2019 have them; transformers reads the same names.
TEST_F(HuggingFace, OldNamesOfLayerNormsAndOfTheOutput) {
  const std::string folder = roberta();
  std::vector<NamedTensor> tensors = random_parameters(encoder_shape(read_model_config(folder)), 1);
  const LoadedModel plain(folder);
  const Tensor words = words_of(tensors);
  for (NamedTensor& t : tensors) {
    for (const auto& [now, old] :
         {std::pair{"LayerNorm.weight", "LayerNorm.gamma"}, std::pair{"LayerNorm.bias", "LayerNorm.beta"}})
      if (t.name.ends_with(now)) t.name = with(t.name, now, old);
  }
  tensors.push_back({"lm_head.weight", words});
  tensors.push_back({"mlp.dense.weight", Tensor::zeros({32, 32}, DType::f32)});  // of SimCSE
  replace_weights(folder, tensors);
  EXPECT_EQ(LoadedModel(folder).block.values.to_doubles(), plain.block.values.to_doubles());
  convert_to_longformer(
      {.source = folder, .destination = folder_ / "long", .max_positions = 128, .window = 8});
  const SafetensorsFile written(folder_ / "long/model.safetensors");
  EXPECT_FALSE(written.contains("lm_head.weight"));
  EXPECT_TRUE(written.contains("longformer.embeddings.LayerNorm.weight"));
  EXPECT_TRUE(written.contains("mlp.dense.weight"));
}

// transformers loads weights in the type that config.json names, whatever theirs is.
TEST_F(HuggingFace, ConfigurationsNameTheTypeOfTheWeights) {
  const std::string folder = roberta();
  nlohmann::json config = tiny_config("roberta");
  config["dtype"] = config["torch_dtype"] = "bfloat16";
  replace_config(folder, config);
  const auto written = [&](const std::string& destination) {
    convert_to_longformer({.source = folder, .destination = destination, .max_positions = 128, .window = 8});
    return read_model_config(destination).json;
  };
  EXPECT_EQ(written(folder_ / "a").at("dtype"), "float32");
  EXPECT_EQ(written(folder_ / "b").at("torch_dtype"), "float32");
  std::vector<NamedTensor> tensors = random_parameters(encoder_shape(read_model_config(folder)), 1);
  for (NamedTensor& t : tensors) t.tensor = cast(t.tensor, DType::bf16);
  replace_weights(folder, tensors);
  EXPECT_EQ(written(folder_ / "c").at("dtype"), "bfloat16");
}

// XLM-R and CamemBERT, whose tokenizers Longform does not read, and must not lose.
TEST_F(HuggingFace, TokenizersOfEveryKindAreCarriedAlong) {
  const std::string folder = roberta();
  for (const char* name : {"vocab.json", "merges.txt", "tokenizer_config.json"})
    std::filesystem::remove(folder + "/" + name);
  const auto write = [&](const char* name, const std::string& content) {
    write_file_atomically(folder + "/" + name, content);
  };
  const auto convert_to = [&](const char* name) {
    convert_to_longformer(
        {.source = folder, .destination = folder_ / name, .max_positions = 128, .window = 8});
    return nlohmann::json::parse(read_file(folder_ / (std::string(name) + "/tokenizer_config.json")));
  };
  write("sentencepiece.bpe.model", "pieces");
  write("notes.txt", "left behind");
  EXPECT_EQ(convert_to("a").at("tokenizer_class"), "XLMRobertaTokenizer");
  EXPECT_EQ(read_file(folder_ / "a/sentencepiece.bpe.model"), "pieces");
  EXPECT_FALSE(std::filesystem::exists(folder_ / "a/notes.txt"));
  write("tokenizer_config.json", R"({"tokenizer_class": "XLMRobertaTokenizer", "model_max_length": 64})");
  EXPECT_EQ(convert_to("b").at("model_max_length"), 128);
  write("tokenizer_config.json", R"({"tokenizer_class": null, "nobody_needs": NaN})");
  EXPECT_EQ(convert_to("unnamed").at("tokenizer_class"), "XLMRobertaTokenizer");
  write("tokenizer_config.json", "[]");
  EXPECT_ERROR_TEXT(convert_to("list"), folder + "/tokenizer_config.json is not a JSON object");
  std::filesystem::remove(folder + "/sentencepiece.bpe.model");
  std::filesystem::remove(folder + "/tokenizer_config.json");
  write("tokenizer.json", R"({"model": {"type": "Unigram", "vocab": []}})");
  EXPECT_EQ(convert_to("c").at("tokenizer_class"), "XLMRobertaTokenizer");
  std::filesystem::create_symlink("../blobs/gone", folder + "/spiece.model");
  EXPECT_ERROR_TEXT(convert_to("broken"),
                    "spiece.model: it is a link to ../blobs/gone, which does not exist");
  std::filesystem::remove(folder + "/spiece.model");
  write("tokenizer.json", R"({"model": {"type": "WordPiece"}})");
  EXPECT_EQ(convert_to("d").at("tokenizer_class"), "PreTrainedTokenizerFast");
}

TEST_F(HuggingFace, HalfPrecisionWeightsAreRead) {
  const std::string folder = roberta();
  const LoadedModel plain(folder);
  std::vector<NamedTensor> tensors = random_parameters(encoder_shape(read_model_config(folder)), 1);
  for (NamedTensor& t : tensors) t.tensor = cast(t.tensor, DType::bf16);
  replace_weights(folder, tensors);
  EXPECT_CLOSE(LoadedModel(folder).block.values, plain.block.values, 1e-2);
}

TEST_F(HuggingFace, BadConfigurationsAreNamed) {
  const std::string folder = roberta();
  const auto error = [&](const char* key, const nlohmann::json& value) {
    nlohmann::json config = tiny_config("longformer");
    config[key] = value;
    replace_config(folder, config);
    return error_of([&] { encoder_shape(read_model_config(folder)); });
  };
  EXPECT_NE(error("hidden_size", "wide").find("hidden_size is \"wide\", needed an integer"),
            std::string::npos);
  EXPECT_NE(error("hidden_size", -3).find("hidden_size is -3"), std::string::npos);
  EXPECT_NE(error("hidden_size", nullptr).find("hidden_size is missing"), std::string::npos);
  EXPECT_NE(error("num_attention_heads", 5).find("5 does not divide hidden_size 32"), std::string::npos);
  EXPECT_NE(error("attention_window", {8}).find("needed a number or one for each of 2 layers"),
            std::string::npos);
  EXPECT_NE(error("position_embedding_type", "relative_key").find("only absolute"), std::string::npos);
  EXPECT_NE(error("tie_word_embeddings", false).find("tie_word_embeddings is false"), std::string::npos);
  EXPECT_NE(error("layer_norm_eps", -5).find("layer_norm_eps is -5"), std::string::npos);
  EXPECT_NE(error("pad_token_id", 4294967297).find("pad_token_id is 4294967297"), std::string::npos);
  EXPECT_NE(error("num_hidden_layers", 2147483647).find("num_hidden_layers is 2147483647; needed 1 to 4096"),
            std::string::npos);
  write_file_atomically(folder + "/config.json", "{\"id2label\": " + std::string(100000, '['));
  EXPECT_ERROR_TEXT(read_model_config(folder), "nested more than 32 deep");
  write_file_atomically(folder + "/config.json", "{");
  EXPECT_ERROR_TEXT(read_model_config(folder), "not valid JSON");
  EXPECT_ERROR_TEXT(read_model_config(folder_.path()), "has no config.json: it is not a model's folder");
  EXPECT_ERROR_TEXT(read_model_config(folder_ / "none"), "none does not exist");
}

}  // namespace
}  // namespace lf
