// From a configuration to its task: the one place that knows the tasks by name.
#pragma once

#include <memory>
#include <string>

#include "trainers/tasks/task.h"

namespace lf {

// The task that the configuration names, on a device that this build has, with what is needed of it.
std::unique_ptr<Task> make_task(const RunConfig& config, TaskNeeds needs = {});

// Decides what the configuration leaves to its data; see each task.
void settle_by_task(RunConfig& config);

// Lets the configuration name this folder as the pretrained model of its task, if the task has one.
void use_model_folder(RunConfig& config, const std::string& folder);

// The configuration of the task that a model folder in Hugging Face form is made for by its config.json, with
// this folder as the pretrained model.
RunConfig config_for_model_folder(const std::string& folder);

}  // namespace lf
