#include "trainers/huggingface/convert.h"

#include <algorithm>
#include <utility>

#include "core/kernels/convert.h"
#include "core/random.h"
#include "trainers/huggingface/model_folder.h"
#include "trainers/huggingface/pretrained_weights.h"

namespace lf {
namespace {

constexpr const char* kPositions = "embeddings.position_embeddings.weight";

// "longformer.X" for "roberta.X", with a copy under *_global for each projection; other names stay.
std::string longformer_name(const std::string& name) {
  const std::string prefix = "roberta.";
  return name.starts_with(prefix) ? "longformer." + name.substr(prefix.size()) : name;
}

// "LongformerForMaskedLM" for "RobertaForMaskedLM", "XLMRobertaForMaskedLM", ...; others give the bare model.
std::string longformer_architecture(const std::string& name) {
  for (const std::string head : {"ForMaskedLM", "ForSequenceClassification", "ForQuestionAnswering",
                                 "ForTokenClassification", "ForMultipleChoice"}) {
    if (name.ends_with(head)) return "Longformer" + head;
  }
  return "LongformerModel";
}

nlohmann::json longformer_config(const ModelConfig& source, const LongformerRequest& request,
                                 const EncoderShape& shape) {
  nlohmann::json config = source.json;
  config["model_type"] = "longformer";
  config["attention_window"] = std::vector<int64_t>(static_cast<size_t>(shape.layers), request.window);
  config["max_position_embeddings"] = request.max_positions + shape.padding_id + 1;
  if (!config.contains("sep_token_id")) {
    config["sep_token_id"] = config.contains("eos_token_id") ? config["eos_token_id"] : nlohmann::json(2);
  }
  nlohmann::json architectures = nlohmann::json::array();
  if (config.contains("architectures") && config["architectures"].is_array()) {
    for (const auto& name : config["architectures"]) {
      if (name.is_string()) architectures.push_back(longformer_architecture(name.get<std::string>()));
    }
  }
  config["architectures"] = architectures;
  for (const char* key : {"auto_map", "_name_or_path"}) config.erase(key);
  return config;
}

void check_request(const LongformerRequest& request, const ModelConfig& config, const EncoderShape& shape) {
  CHECK(!shape.is_longformer(), config.path, " is a Longformer already");
  check_new_sizes(request.window, request.max_positions, shape.longest());
}

}  // namespace

void check_new_sizes(int64_t window, int64_t max_positions, int64_t positions) {
  if (window < 2 || window % 2 != 0) {
    throw UsageError(text("--window is ", window,
                          "; it counts the keys on both sides together and must be even and positive"));
  }
  constexpr int64_t kMostPositions = 1 << 24;
  if (max_positions > kMostPositions)
    throw UsageError(text("--max-positions is ", max_positions, "; the most is ", kMostPositions));
  if (max_positions < positions) {
    throw UsageError(text("--max-positions is ", max_positions, ", but the source has ", positions,
                          " positions already; they would be lost"));
  }
}

Tensor extended_positions(const Tensor& source, int32_t padding_id, int64_t max_positions,
                          NewPositions positions, double range, uint64_t seed) {
  const int64_t first = padding_id + 1, old_rows = source.dim(0), rows = max_positions + first,
                D = source.dim(1);
  const Tensor values = cast(source, DType::f32);
  Tensor table = Tensor::empty({rows, D}, DType::f32);
  const RandomKey key{seed, kInitialUse, 0};
  for (int64_t row = 0; row < rows; ++row) {
    float* out = table.data<float>() + row * D;
    const bool is_new = row >= old_rows;
    if (is_new && positions == NewPositions::random) {
      for (int64_t i = 0; i < D; ++i) {
        out[i] = static_cast<float>(range * normal(key, static_cast<uint64_t>(row * D + i)));
      }
      continue;
    }
    const int64_t from = row < first ? row : first + (row - first) % (old_rows - first);
    std::copy_n(values.data<float>() + from * D, D, out);
  }
  return cast(table, source.dtype());
}

void add_with_global_copy(const NamedTensor& tensor, const std::string& attention,
                          std::vector<NamedTensor>& tensors, ConversionReport& report) {
  for (const std::string projection : {"query", "key", "value"}) {
    const std::string local = attention + projection;
    const size_t at = tensor.name.find(local + ".");
    if (at == tensor.name.npos) continue;
    tensors.push_back({std::string(tensor.name).insert(at + local.size(), "_global"), tensor.tensor});
    report.layers += tensors.back().name.ends_with("query_global.weight");
    break;
  }
  tensors.push_back(tensor);
}

ConversionReport convert_to_longformer(const LongformerRequest& request) {
  const ModelConfig config = read_model_config(request.source);
  const EncoderShape shape = encoder_shape(config);
  check_request(request, config, shape);
  check_destination(request.destination);
  const WholeModel model = read_whole_model(request.source, config);
  std::vector<NamedTensor> tensors;
  ConversionReport report{
      .source_positions = shape.longest(), .positions = request.max_positions, .warnings = model.warnings};
  for (const NamedTensor& source : model.tensors) {
    NamedTensor target{longformer_name(source.name), source.tensor};
    if (target.name.ends_with(kPositions)) {
      const double range = initializer_range(config);
      target.tensor = extended_positions(source.tensor, shape.padding_id, request.max_positions,
                                         request.positions, range, request.seed);
    }
    add_with_global_copy(target, ".attention.self.", tensors, report);
  }
  report.tensors = std::ssize(tensors);
  write_model_folder(request.destination, longformer_config(config, request, shape), std::move(tensors),
                     request.source);
  return report;
}

bool has_global_copies(const Encoder& encoder) {
  const auto equal = [](const Linear& a, const Linear& b) {
    return a.weight.value.to_doubles() == b.weight.value.to_doubles() &&
           a.bias.value.to_doubles() == b.bias.value.to_doubles();
  };
  const auto& layers = encoder.layers;
  return std::all_of(layers.begin(), layers.end(), [&](const EncoderLayer& layer) {
    const EncoderAttention& a = layer.attention;
    return a.has_global && equal(a.query, a.query_global) && equal(a.key, a.key_global) &&
           equal(a.value, a.value_global);
  });
}

void copy_local_to_global(const Encoder& encoder) {
  for (const EncoderLayer& layer : encoder.layers) {
    const EncoderAttention& a = layer.attention;
    if (!a.has_global) continue;
    const auto copy = [](const Linear& from, const Linear& to) {
      Tensor weight = to.weight.value, bias = to.bias.value;  // the parameters' own memory
      weight.copy_from(from.weight.value);
      bias.copy_from(from.bias.value);
    };
    copy(a.query, a.query_global);
    copy(a.key, a.key_global);
    copy(a.value, a.value_global);
  }
}

}  // namespace lf
