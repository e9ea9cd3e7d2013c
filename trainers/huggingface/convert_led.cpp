#include "trainers/huggingface/convert_led.h"

#include <array>
#include <utility>

#include "layers/finite.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/huggingface/pretrained_weights.h"
#include "trainers/huggingface/seq2seq_config.h"

namespace lf {
namespace {

constexpr int64_t kReserved =
    2;  // rows of BART's position tables that belong to no position; LED's have none

// LED's name of a tensor of BART's encoder or decoder; "" for a tensor that LED does not have.
std::string led_name(const std::string& name) {
  const std::string prefix = "model.";
  const std::string inner = name.starts_with(prefix) ? name.substr(prefix.size()) : name;
  if (inner == "final_logits_bias") return inner;
  std::string result = "led." + inner;
  if (!inner.starts_with("encoder.")) return result;
  const std::string attention = ".self_attn.";
  for (const auto& [part, theirs] :
       {std::pair{"q_proj", "longformer_self_attn.query"}, std::pair{"k_proj", "longformer_self_attn.key"},
        std::pair{"v_proj", "longformer_self_attn.value"}, std::pair{"out_proj", "output"}}) {
    const size_t at = result.find(attention + part);
    if (at != result.npos) return result.replace(at + attention.size(), std::string(part).size(), theirs);
  }
  return result;
}

// "....query_global.weight" for "....query.weight"; "" for what is no projection of the encoder.
std::string led_global_name(const std::string& led) {
  for (const std::string projection : {"query", "key", "value"}) {
    const std::string local = ".longformer_self_attn." + projection + ".";
    const size_t at = led.find(local);
    if (at != led.npos) return std::string(led).insert(at + local.size() - 1, "_global");
  }
  return "";
}

Tensor without_reserved(const Tensor& table) { return table.slice(kReserved, table.dim(0)).clone(); }

nlohmann::json led_config(const ModelConfig& source, const LedRequest& request, const Seq2SeqShape& shape) {
  nlohmann::json config = source.json;
  config["model_type"] = "led";
  config["architectures"] = {"LEDForConditionalGeneration"};
  config["attention_window"] =
      std::vector<int64_t>(static_cast<size_t>(shape.encoder.layers), request.window);
  config["max_encoder_position_embeddings"] = request.max_positions;
  config["max_decoder_position_embeddings"] = shape.longest_target();
  for (const char* key : {"max_position_embeddings", "scale_embedding", "auto_map", "_name_or_path"})
    config.erase(key);
  return config;
}

void check_led_request(const LedRequest& request, const ModelConfig& config, const Seq2SeqShape& shape) {
  CHECK(!shape.is_led(), config.path, " is an LED already");
  CHECK(!shape.scales_embeddings, config.path,
        ": scale_embedding is true, which LED does not have: its words would be sqrt(d_model) times smaller");
  check_new_sizes(request.window, request.max_positions, shape.encoder.longest());
}

}  // namespace

ConversionReport convert_to_led(const LedRequest& request) {
  const ModelConfig config = read_model_config(request.source);
  const Seq2SeqShape shape = seq2seq_shape(config);
  check_led_request(request, config, shape);
  check_destination(request.destination);
  const WeightsFile weights = open_weights(request.source);
  check_seq2seq_weights(weights, shape);
  ConversionReport report{.source_positions = shape.encoder.longest(), .positions = request.max_positions};
  const std::vector<NamedTensor> sources = read_all_tensors(weights, kSeq2SeqNames);
  warn_if_not_finite(weights.path(), sources, report.warnings);
  std::vector<NamedTensor> tensors;
  for (const NamedTensor& source : sources) {
    NamedTensor target{led_name(source.name), source.tensor};
    if (target.name == "led.encoder.embed_positions.weight")
      target.tensor = extended_positions(without_reserved(source.tensor), -1, request.max_positions,
                                         NewPositions::copied, 0, 0);
    if (target.name == "led.decoder.embed_positions.weight") target.tensor = without_reserved(source.tensor);
    if (const std::string global = led_global_name(target.name); !global.empty()) {
      tensors.push_back({global, source.tensor});
      report.layers += global.ends_with("query_global.weight");
    }
    tensors.push_back(target);
  }
  report.tensors = std::ssize(tensors);
  write_model_folder(request.destination, led_config(config, request, shape), std::move(tensors),
                     request.source);
  return report;
}

}  // namespace lf
