#include "trainers/huggingface/seq2seq_config.h"

#include <utility>

#include "trainers/huggingface/config_values.h"

namespace lf {
namespace {

void refuse_other_forms(const ModelConfig& config) {
  const auto activation = config_value<std::string>(config, "activation_function", "gelu");
  CHECK(activation == "gelu", config.path, ": activation_function is ", activation,
        "; only gelu (the exact form) is supported");
  CHECK(config_value<bool>(config, "tie_word_embeddings", true), config.path,
        ": tie_word_embeddings is false; only models whose output layer is the word embedding are supported");
  // Of fairseq's and of early transformers' BARTs, and of what was made from them.
  for (const char* key : {"normalize_before", "add_final_layer_norm"}) {
    CHECK(!config_value<bool>(config, key, false), config.path, ": ", key,
          " is true; only BART's order of norms is supported");
  }
  CHECK(config_value<bool>(config, "normalize_embedding", true), config.path,
        ": normalize_embedding is false; only BART's order of norms is supported");
}

int32_t token(const ModelConfig& config, const char* key, int64_t fallback, int64_t vocabulary) {
  const auto id = config_value<int64_t>(config, key, fallback);
  CHECK(id >= 0 && id < vocabulary, config.path, ": ", key, " is ", id, "; the vocabulary has ", vocabulary);
  return static_cast<int32_t>(id);
}

}  // namespace

bool is_seq2seq_type(const std::string& type) { return type == "bart" || type == "led"; }

Seq2SeqShape seq2seq_shape(const ModelConfig& config) {
  const std::string type = config.type();
  CHECK(is_seq2seq_type(type), config.path, ": model_type is ", type, "; supported are bart and led");
  refuse_other_forms(config);
  const bool led = type == "led";
  Seq2SeqShape shape;
  EncoderShape& encoder = shape.encoder;
  encoder.vocabulary = positive_value(config, "vocab_size", kMostRows);
  encoder.width = positive_value(config, "d_model", kMostWidth);
  encoder.layers = positive_value(config, "encoder_layers", kMostLayers);
  encoder.heads = positive_value(config, "encoder_attention_heads", kMostWidth);
  encoder.feed_forward = positive_value(config, "encoder_ffn_dim", kMostWidth);
  encoder.reserved_positions = led ? 0 : 2;
  const auto positions = [&](const char* side) {
    const std::string key =
        led ? std::string("max_") + side + "_position_embeddings" : "max_position_embeddings";
    return positive_value(config, key.c_str(), kMostRows) + encoder.reserved_positions;
  };
  encoder.positions = positions("encoder");
  encoder.token_types = 0;
  encoder.dropout = fraction_value(config, "dropout", 0.1);
  encoder.attention_dropout = fraction_value(config, "attention_dropout", 0.0);
  encoder.inner_dropout = fraction_value(config, "activation_dropout", 0.0);
  if (led) encoder.windows = attention_windows(config, encoder.layers);
  shape.decoder_layers = positive_value(config, "decoder_layers", kMostLayers);
  shape.decoder_heads = positive_value(config, "decoder_attention_heads", kMostWidth);
  shape.decoder_feed_forward = positive_value(config, "decoder_ffn_dim", kMostWidth);
  shape.decoder_positions = positions("decoder");
  shape.scales_embeddings = !led && config_value<bool>(config, "scale_embedding", false);
  encoder.padding_id = token(config, "pad_token_id", 1, encoder.vocabulary);
  shape.begin_id = token(config, "bos_token_id", 0, encoder.vocabulary);
  shape.end_id = token(config, "eos_token_id", 2, encoder.vocabulary);
  shape.start_id = token(config, "decoder_start_token_id", 2, encoder.vocabulary);
  for (const auto& [key, heads] : {std::pair{"encoder_attention_heads", encoder.heads},
                                   std::pair{"decoder_attention_heads", shape.decoder_heads}}) {
    CHECK(encoder.width % heads == 0, config.path, ": ", key, ' ', heads, " does not divide d_model ",
          encoder.width);
  }
  return shape;
}

}  // namespace lf
