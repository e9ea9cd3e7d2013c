#include "trainers/huggingface/convert_led.h"

#include <utility>

#include "trainers/huggingface/model_folder.h"
#include "trainers/huggingface/pretrained_weights.h"
#include "trainers/huggingface/seq2seq_config.h"

namespace lf {
namespace {

// Rows of BART's position tables that belong to no position; LED's have none.
constexpr int64_t kReserved = 2;

// LED's name of a tensor of BART.
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
  const WholeModel model = read_whole_model(request.source, config);
  std::vector<NamedTensor> tensors;
  ConversionReport report{.source_positions = shape.encoder.longest(),
                          .positions = request.max_positions,
                          .warnings = model.warnings};
  for (const NamedTensor& source : model.tensors) {
    NamedTensor target{led_name(source.name), source.tensor};
    if (target.name == "led.encoder.embed_positions.weight")
      target.tensor = extended_positions(without_reserved(source.tensor), -1, request.max_positions,
                                         NewPositions::copied, 0, 0);
    if (target.name == "led.decoder.embed_positions.weight") target.tensor = without_reserved(source.tensor);
    add_with_global_copy(target, ".longformer_self_attn.", tensors, report);
  }
  report.tensors = std::ssize(tensors);
  write_model_folder(request.destination, led_config(config, request, shape), std::move(tensors),
                     request.source);
  return report;
}

}  // namespace lf
