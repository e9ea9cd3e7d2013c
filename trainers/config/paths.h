// The paths in a configuration.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "trainers/config/node.h"
#include "trainers/config/run_config.h"

namespace lf {

// Makes them absolute, as seen from the current folder: a run's own configuration then leads to its data and
// model from anywhere.
void make_paths_absolute(RunConfig& config);

// Where relative paths start: one that a file states, at that file's folder if it leads somewhere from there,
// or else at the current one; one of --set the other way round, with the folder of `file`. `root` tells where
// each key was stated; without it all are the file's.
void find_paths(const std::string& file, const Node* root, RunConfig& config);

// The keys that name the data of a run, with their values: data.path, and what a task reads besides.
std::vector<std::pair<std::string, std::string>> data_paths(const RunConfig& config);

// Throws Error naming the key of data that are not there, and why.
void check_data_paths(const RunConfig& config);

// "data.path corpus.txt", or "data.path train.tsv or classification.test test.tsv".
std::string data_words(const RunConfig& config);

}  // namespace lf
