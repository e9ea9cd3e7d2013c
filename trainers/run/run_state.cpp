#include "trainers/run/run_state.h"

#include <nlohmann/json.hpp>
#include <type_traits>

#include "core/check.h"

namespace lf {
namespace {

// The one list of counters; a value that is not there yet is null.
void visit(auto& s, auto&& field) {
  field("stage", s.stage);
  field("stage_step", s.stage_step);
  field("step", s.step);
  field("micro_step", s.micro_step);
  field("tokens", s.tokens);
  field("stage_tokens", s.stage_tokens);
  field("stage_seconds", s.stage_seconds);
  field("interval_nats", s.interval_loss);
  field("interval_targets", s.interval_weight);
  field("best_validation", s.best_validation);
  field("stage_best", s.stage_best);
  field("evaluations_without_improvement", s.evaluations_without_improvement);
  field("validation_due", s.validation_due);
  field("skipped", s.skipped);
  field("rollbacks", s.rollbacks);
  field("log_bytes", s.log_bytes);
  field("timing_bytes", s.timing_bytes);
}

}  // namespace

nlohmann::ordered_json to_json(const RunState& state) {
  nlohmann::ordered_json json;
  visit(state, [&](const char* name, const auto& value) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(value)>, std::optional<double>>) {
      json[name] = value ? nlohmann::ordered_json(*value) : nlohmann::ordered_json();
    } else {
      json[name] = value;
    }
  });
  return json;
}

RunState run_state_from_json(const nlohmann::ordered_json& json) {
  RunState state;
  visit(state, [&](const char* name, auto& value) {
    const bool may_lack = &value == static_cast<const void*>(&state.validation_due);  // as older ones do
    if (may_lack && !json.contains(name)) return;
    CHECK(json.contains(name), "the checkpoint's state lacks \"", name, "\"");
    try {
      using Value = std::remove_cvref_t<decltype(value)>;
      if constexpr (std::is_same_v<Value, std::optional<double>>) {
        if (!json[name].is_null()) value = json[name].template get<double>();
      } else {
        value = json[name].template get<Value>();
      }
    } catch (const nlohmann::json::exception& error) {
      throw Error(text("the checkpoint's state \"", name, "\" is unusable: ", error.what()));
    }
  });
  return state;
}

}  // namespace lf
