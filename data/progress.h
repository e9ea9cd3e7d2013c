// What long work on a corpus reports while it goes on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace lf {

// Told how far a long piece of work is: its name, and bytes done of a total. May be empty.
using CorpusProgress = std::function<void(const std::string& phase, int64_t done, int64_t total)>;

}  // namespace lf
