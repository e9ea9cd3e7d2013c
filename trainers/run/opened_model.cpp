#include "trainers/run/opened_model.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>

#include "core/choices.h"
#include "core/threads.h"
#include "layers/finite.h"
#include "trainers/config/load.h"
#include "trainers/config/marked_fields.h"
#include "trainers/config/paths.h"
#include "trainers/config/write_fields.h"
#include "trainers/run/checkpoint_folders.h"
#include "trainers/tasks/make_task.h"

namespace lf {
namespace {

// The overrides, and the device as one.
std::vector<std::string> all_overrides(const OpenOptions& options) {
  std::vector<std::string> overrides = options.overrides;
  if (options.device) overrides.push_back(text("device=", name(*options.device)));
  return overrides;
}

// The untrained model of a configuration file, with its last stage's patterns.
OpenedModel open_configuration(const std::string& path, const OpenOptions& options) {
  OpenedModel opened;
  opened.config = config_to_open(path, options);
  opened.origin = "initial weights of " + path;
  opened.task = make_task(opened.config, {.data = options.needs_data, .training = false});
  opened.stage = resolved_stages(opened.config).back();
  return opened;
}

// Of a configuration a model folder has nothing but where it runs.
RunConfig model_folder_config(const std::string& folder, const std::vector<std::string>& overrides) {
  const std::string device = "device=";
  RunConfig config = config_for_model_folder(folder);
  for (const std::string& setting : overrides) {
    if (!setting.starts_with(device))
      throw UsageError(folder + " is a model folder: --set can change its device alone, not " + setting);
    config.device = choice_of<Device>("device", setting.substr(device.size()));
  }
  return config;
}

OpenedModel open_model_folder(const std::string& folder, const OpenOptions& options) {
  OpenedModel opened;
  opened.config = config_to_open(folder, options);
  opened.origin = folder;
  opened.task = make_task(opened.config, {.data = false, .training = false});
  return opened;
}

bool overrides_key(const std::vector<std::string>& overrides, const std::string& key) {
  return std::any_of(overrides.begin(), overrides.end(),
                     [&](const std::string& setting) { return setting.starts_with(key + "="); });
}

// What the run recorded of its corpus is no wish of the user's: another corpus, named by an override, has its
// own.
template <class T>
void recorded_only(const std::vector<std::string>& overrides, const char* key, Inherited<T>& value) {
  if (!overrides_key(overrides, key)) value = {.given = {}, .fallback = value.value()};
}

// What the weights have learned, such as classes in their order, is as it was.
void check_learned_keys(const RunConfig& own, const RunConfig& opened) {
  const auto learned = [](const RunConfig& config) {
    std::map<std::string, std::string> values;
    for_each_marked(config, [&](const std::string& key, auto& member, FieldMark mark) {
      Node value = Node::map();
      set_field(value, key.c_str(), member);
      if (mark == FieldMark::learned) values[key] = json_text(value);
    });
    return values;
  };
  const auto before = learned(own), now = learned(opened);
  for (const auto& [key, value] : before) {
    if (now.at(key) != value) throw UsageError(key + " is the run's: its weights have learned it as it was");
  }
}

RunConfig opened_run_config(const std::string& folder, const std::vector<std::string>& overrides) {
  const RunConfig own = run_folder_config(folder);  // says it best when the folder is no run
  RunConfig config = load_run_config(folder + "/" + kConfigName, overrides);
  recorded_only(overrides, "data.kind", config.data.kind);
  recorded_only(overrides, "data.newlines", config.data.newlines);
  recorded_only(overrides, "data.split", config.data.split);
  check_learned_keys(own, config);
  if (!overrides_key(overrides, choice_name(own.task) + ".model")) use_stored_model(config, folder);
  return config;
}

void check_corpus(const LoadedCheckpoint& checkpoint, const OpenOptions& options, OpenedModel& opened) {
  check_same_vocabulary(checkpoint, opened.config, *opened.task);
  if (has_data_of(checkpoint, *opened.task)) return;
  const auto paths = data_paths(opened.config);
  const bool told = std::any_of(paths.begin(), paths.end(), [&](const auto& path) {
    return overrides_key(options.overrides, path.first);
  });
  if (!options.allow_other_data && !told) {
    throw UsageError(text("the content of ", data_words(opened.config), " has changed since ",
                          checkpoint.folder,
                          " was saved; put it back, name the text that is meant with --set data.path=..., or "
                          "score what is there with --allow-other-data"));
  }
  opened.warnings.push_back(
      text(data_words(opened.config), " is not the corpus that ", checkpoint.folder, " was trained on"));
}

OpenedModel open_run(const std::string& folder, const OpenOptions& options) {
  OpenedModel opened;
  opened.config = config_to_open(folder, options);
  const LoadedCheckpoint checkpoint = choose_checkpoint(folder, options.checkpoint, opened.warnings);
  opened.origin = checkpoint.folder;
  opened.state = run_state_from_json(checkpoint.state.at("run"));
  const auto alphabet = checkpoint.state.value("alphabet", std::vector<uint8_t>());
  opened.task = make_task(
      opened.config, {.data = options.needs_data, .weights = false, .training = false, .alphabet = alphabet});
  check_same_model(checkpoint, *opened.task);
  if (options.needs_data) check_corpus(checkpoint, options, opened);
  load_parameters(checkpoint, opened.task->parameters());
  warn_if_not_finite(opened.origin, opened.task->parameters(), opened.warnings);
  // After a stage's end the state already names the next one, whose windows these parameters have not seen.
  const std::vector<Stage> stages = resolved_stages(opened.config);
  const int64_t trained =
      opened.state.stage - (opened.state.stage_step == 0 && opened.state.stage > 0 ? 1 : 0);
  opened.stage =
      stages.at(static_cast<size_t>(std::min<int64_t>(trained, static_cast<int64_t>(stages.size()) - 1)));
  return opened;
}

bool is_model_folder(const std::string& path) {
  return std::filesystem::exists(path + "/config.json") && !std::filesystem::exists(path + "/" + kConfigName);
}

}  // namespace

LoadedCheckpoint choose_checkpoint(const std::string& folder, const std::string& which,
                                   std::vector<std::string>& warnings) {
  if (which == "latest") {
    std::optional<LoadedCheckpoint> newest = newest_checkpoint(folder, warnings);
    CHECK(newest, folder, " has no checkpoint yet");
    return std::move(*newest);
  }
  if (which == "best") {
    std::optional<LoadedCheckpoint> best = load_best_checkpoint(folder);
    CHECK(best, folder, " has no best checkpoint: it was not validated yet, or checkpoint.keep_best is off");
    return std::move(*best);
  }
  for (const std::string& place : {which, checkpoints_folder(folder) + "/" + which}) {
    if (std::filesystem::is_directory(place)) return open_checkpoint(place);
  }
  throw Error(text("checkpoint ", which, " is none: needed latest, best, or a checkpoint's name or folder"));
}

RunConfig config_to_open(const std::string& path, const OpenOptions& options) {
  const std::vector<std::string> overrides = all_overrides(options);
  return std::filesystem::is_regular_file(path) ? load_run_config(path, overrides)
         : is_model_folder(path)                ? model_folder_config(path, overrides)
                                                : opened_run_config(path, overrides);
}

OpenedModel open_model(const std::string& path, const OpenOptions& options) {
  OpenedModel opened = std::filesystem::is_regular_file(path) ? open_configuration(path, options)
                       : is_model_folder(path)                ? open_model_folder(path, options)
                                                              : open_run(path, options);
  use_threads(opened.config.threads);
  return opened;
}

}  // namespace lf
