// Times byte-level BPE on one core: tokenizer_bench TOKENIZER TEXT [repeats]. One line of JSON; the best of
// the repeats, of the process's time, which neighbours on the machine disturb less than the clock on the
// wall.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <string>

#include "core/files.h"
#include "data/tokenizer/byte_level_tokenizer.h"

int main(int argc, char** argv) try {
  if (argc < 3) {
    std::fprintf(stderr, "usage: tokenizer_bench TOKENIZER TEXT [repeats]\n");
    return 2;
  }
  const lf::ByteLevelTokenizer tokenizer{std::string(argv[1])};
  const std::string text = lf::read_file(argv[2]);
  const int repeats = argc > 3 ? std::atoi(argv[3]) : 5;
  double wall = 1e9, cpu = 1e9;
  size_t tokens = 0;
  for (int i = 0; i < repeats; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const std::clock_t cpu_start = std::clock();
    tokens = tokenizer.encode(text).size();
    cpu = std::min(cpu, double(std::clock() - cpu_start) / CLOCKS_PER_SEC);
    wall = std::min(wall, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  std::printf("{\"bytes\": %zu, \"tokens\": %zu, \"seconds_best\": %.6f, \"cpu_seconds_best\": %.6f}\n",
              text.size(), tokens, wall, cpu);
} catch (const std::exception& error) {
  std::fprintf(stderr, "error: %s\n", error.what());
  return 1;
}
