// longform bench attention|train|generate|device [--json]
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>

#include "cli/bench_generate.h"
#include "cli/options.h"
#include "cli/verbs.h"
#include "core/choices.h"
#include "core/format.h"
#include "core/json.h"
#include "core/messages.h"
#include "core/operations.h"
#include "core/profile.h"
#include "core/seconds.h"
#include "core/threads.h"
#include "trainers/config/load.h"
#include "trainers/measure/attention_benchmark.h"
#include "trainers/measure/device_benchmark.h"
#include "trainers/measure/device_peaks.h"
#include "trainers/optimizer/optimizer.h"
#include "trainers/plot/attention_figure.h"
#include "trainers/report/profile_table.h"
#include "trainers/report/run_report.h"
#include "trainers/tasks/make_task.h"
#include "trainers/tasks/micro_batches.h"

namespace lf::cli {
namespace {

using nlohmann::ordered_json;

// The most memory this process has had resident, code and libraries included.
int64_t peak_resident_bytes() {
  struct rusage usage = {};
  ::getrusage(RUSAGE_SELF, &usage);
  return int64_t{usage.ru_maxrss} * 1024;
}

struct AttentionOptions {
  AttentionBenchmark settings;
  std::vector<std::string> implementations{"fused"};
  std::string dtype = "f32", device = "cpu", figure;
  double most_gib = 8;
  bool json = false;
};

void bench_attention(AttentionOptions options) {
  options.settings.dtype = parse_dtype("--dtype", options.dtype);
  options.settings.device = parse_device(options.device);
  constexpr double kMostGib = 1e9;  // as bytes still a whole number of 64 bits
  if (!(options.most_gib > 0 && options.most_gib <= kMostGib))
    throw UsageError(text("--most-gib is ", options.most_gib, "; needed above 0 and at most ", kMostGib));
  options.settings.most_bytes = static_cast<int64_t>(options.most_gib * 1024 * 1024 * 1024);
  options.settings.implementations.clear();
  for (const std::string& name : options.implementations)
    options.settings.implementations.push_back(choice_of<AttentionImplementation>("--implementations", name));
  std::FILE* out = options.json ? stderr : stdout;
  std::fprintf(out, "%-8s %8s %7s %6s %12s %12s %10s %10s %10s\n", "", "length", "window", "dtype",
               "forward ms", "backward ms", "fw TFLOP/s", "bw TFLOP/s", "peak MiB");
  const ordered_json rows = run_attention_benchmark(options.settings, [&](const ordered_json& row) {
    std::fprintf(out, "%-8s %8s %7s %6s %12.3f %12.3f %10.3g %10.3g %10.1f\n",
                 row["implementation"].get<std::string>().c_str(), row["length"].dump().c_str(),
                 row["window"].dump().c_str(), row["dtype"].get<std::string>().c_str(),
                 row["forward_ms"].get<double>(), row["backward_ms"].get<double>(),
                 row["forward_tflops"].get<double>(), row["backward_tflops"].get<double>(),
                 row["peak_bytes"].get<double>() / 1048576);
  });
  if (!options.figure.empty()) plot_attention_figure(rows, options.figure);
  if (options.json) std::printf("%s\n", json_line(rows).c_str());
}

void add_attention(const Verb& bench) {
  auto options = std::make_shared<AttentionOptions>();
  const Verb verb = bench.verb("attention", "Time window attention, forward and backward.");
  AttentionBenchmark& s = options->settings;
  verb.option("--implementations", &options->implementations, "fused, chunks, loop, full (fused)")
      .separated_by_commas();
  verb.option("--length", &s.lengths, "Sequence lengths (1024,2048,4096)").separated_by_commas().at_least(1);
  verb.option("--window", &s.windows, "Keys on each side, or before self with --causal (256)")
      .separated_by_commas()
      .at_least(0);
  verb.flag("--causal", &s.causal, "Only keys before the query");
  verb.flag("--relative", &s.relative, "With relative positions");
  verb.option("--heads", &s.heads, "Heads (8)").within(1, 1024);
  verb.option("--head-width", &s.head_width, "Width of a head (64)").at_least(1);
  verb.option("--batch", &s.batch, "Sequences (1)").at_least(1);
  verb.option("--dilation", &s.dilation, "Dilation of every head (1)").at_least(1);
  verb.option("--global", &s.global_tokens, "Global tokens at the start of each sequence (0)").at_least(0);
  verb.option("--dropout", &s.dropout, "Probability of dropping an attention weight (0)").within(0.0, 0.99);
  verb.option("--device", &options->device, "cpu or cuda (cpu)");
  verb.option("--dtype", &options->dtype, "f32, bf16 or f64 (f32)");
  verb.option("--repeats", &s.repeats, "Best of so many (3)").at_least(1);
  verb.option("--most-seconds", &s.most_seconds,
              "An implementation goes to no greater length after this (no limit)")
      .positive();
  verb.option("--most-gib", &options->most_gib, "No `full` beyond this much memory (8)");
  verb.option("--figure", &options->figure,
              "Draw time and memory by length as SVG, after the paper's Figure 1");
  verb.flag("--json", &options->json, "A JSON list on standard output");
  verb.action([options] { bench_attention(*options); });
}

struct TrainOptions {
  std::string config;
  std::vector<std::string> overrides;
  int64_t stage = 1, steps = 5;
  bool json = false, profile = false;
};

// What an update held, and the operations that it needed.
struct UpdateWork {
  int64_t tokens = 0;
  double weight = 0, flops = 0;
};

// One update: forward, backward, norm, clipping, AdamW.
UpdateWork update(Task& task, MicroBatches& batches, Optimizer& optimizer, const RunConfig& config,
                  const Stage& stage, int64_t step) {
  Phase phase("data");
  UpdateWork all;
  for (const Examples& about : batches.next_update()) {
    all.tokens += about.tokens;
    all.weight += about.weight;
  }
  phase.end();
  const Pass pass{.training = true,
                  .compute = compute_dtype(config),
                  .seed = static_cast<uint64_t>(config.seed),
                  .step = static_cast<uint64_t>(step)};
  const double asked = operations().model();
  for (int64_t i = 0; i < batches.over_all_ranks(); ++i)
    forward_backward(task, *batches.next(), stage, 1.0 / all.weight, pass);
  all.flops = operations().model() - asked;
  phase.next("norm");
  const double norm = optimizer.gradient_norm();
  phase.next("update");
  optimizer.step(stage.learning_rate, norm);
  synchronize(task.parameters().values.device());
  return all;
}

void print_train(const ordered_json& result) {
  const auto number = [&](const char* key) { return result[key].get<double>(); };
  std::string mfu = "n/a";
  if (!result["mfu"].is_null()) mfu = text(std::round(1000 * number("mfu")) / 10, " %");
  std::printf("%s: best %.3f s an update (median %.3f s), %s tokens/s, %.3g TFLOP/s (MFU %s), %s\n",
              result["stage"].get<std::string>().c_str(), number("seconds_best"), number("seconds_median"),
              format_count(number("tokens_per_second")).c_str(), number("tflops"), mfu.c_str(),
              format_bytes(number("peak_bytes")).c_str());
}

struct TimedUpdates {
  std::vector<double> seconds;  // sorted
  // Of an update; they differ where updates hold documents of different length.
  double best_tokens_per_second = 0, best_flops_per_second = 0;
  int64_t tokens = 0;  // of all together
  std::optional<PhaseTime> profile;
};

TimedUpdates time_updates(Task& task, const RunConfig& config, const Stage& stage,
                          const TrainOptions& options) {
  Optimizer optimizer(task.parameters(), config.optimizer, task.groups(config.optimizer));
  MicroBatches batches(task, stage, 0);
  TimedUpdates result;
  std::optional<Profile> profile;
  for (int64_t step = -1; step < options.steps; ++step) {  // the first warms up
    if (step == 0 && options.profile) profile.emplace(device_of(config));
    const double start = seconds_now();
    const UpdateWork held = update(task, batches, optimizer, config, stage, step + 1);
    if (step < 0) continue;
    const double seconds = seconds_now() - start, tokens = static_cast<double>(held.tokens);
    result.seconds.push_back(seconds);
    result.tokens += held.tokens;
    result.best_tokens_per_second = std::max(result.best_tokens_per_second, tokens / seconds);
    result.best_flops_per_second = std::max(result.best_flops_per_second, held.flops / seconds);
  }
  if (profile) result.profile = profile->times();
  std::sort(result.seconds.begin(), result.seconds.end());
  return result;
}

void bench_train(const TrainOptions& options) {
  const RunConfig config = load_run_config(options.config, options.overrides);
  use_threads(config.threads);
  const auto task = make_task(config);
  const std::vector<Stage> stages = planned_stages(config, *task);
  if (options.stage < 1 || options.stage > static_cast<int64_t>(stages.size())) {
    throw UsageError(text("--stage is ", options.stage, "; the configuration has ", stages.size()));
  }
  const Stage& stage = stages[static_cast<size_t>(options.stage - 1)];
  const TimedUpdates timed = time_updates(*task, config, stage, options);
  const std::vector<double>& seconds = timed.seconds;
  const double flops = timed.best_flops_per_second;
  const double all_seconds = std::accumulate(seconds.begin(), seconds.end(), 0.0);
  const std::optional<double> peak = peak_of(device_of(config), compute_dtype(config));
  ordered_json result = {{"stage", stage.name},
                         {"sequence_length", stage.sequence_length},
                         {"windows", stage.windows},
                         {"batch_size", stage.batch_size},
                         {"device", name(device_of(config))},
                         {"precision", name(compute_dtype(config))},
                         {"threads", num_threads()},
                         {"seconds_best", seconds.front()},
                         {"seconds_median", seconds[seconds.size() / 2]},
                         {"tokens_per_second", timed.best_tokens_per_second},
                         {"tokens_per_second_mean", static_cast<double>(timed.tokens) / all_seconds},
                         {"tflops", flops / 1e12},
                         {"mfu", peak ? ordered_json(flops / *peak) : ordered_json()},
                         {"peak_bytes", memory_use(device_of(config)).peak},
                         {"peak_rss_bytes", peak_resident_bytes()}};
  if (timed.profile) {
    result["profile"] = profile_json(*timed.profile);
    for (const std::string& line : profile_table(*timed.profile))
      std::fprintf(options.json ? stderr : stdout, "%s\n", line.c_str());
  }
  if (options.json)
    std::printf("%s\n", json_line(result).c_str());
  else
    print_train(result);
}

void add_train_bench(const Verb& bench) {
  auto options = std::make_shared<TrainOptions>();
  const Verb verb = bench.verb("train", "Time whole updates of a configuration's stage.");
  verb.option("config", &options->config, "YAML configuration").required();
  verb.overrides(&options->overrides);
  verb.option("--stage", &options->stage, "Stage, counted from 1 (1)");
  verb.option("--steps", &options->steps, "Updates to time (5), after one to warm up").at_least(1);
  verb.flag("--profile", &options->profile, "Also where the time of these updates goes");
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { bench_train(*options); });
}

struct DeviceOptions {
  DeviceBenchmark settings;
  std::string device = "cpu";
  bool json = false;
};

void bench_device(DeviceOptions options) {
  options.settings.device = parse_device(options.device);
  const ordered_json result = run_device_benchmark(options.settings);
  if (options.json) return void(std::printf("%s\n", json_line(result).c_str()));
  std::printf("copies %.4g GB/s read and written, bf16 products %.4g TFLOP/s\n",
              result["copy_gb_per_second"].get<double>(), result["product_tflops"].get<double>());
}

void add_device_bench(const Verb& bench) {
  auto options = std::make_shared<DeviceOptions>();
  const Verb verb =
      bench.verb("device", "Measure what the device can do at most: copies and a large product.");
  verb.option("--device", &options->device, "cpu or cuda (cpu)");
  verb.option("--mib", &options->settings.mib, "MiB to copy (256)").at_least(1);
  verb.option("--size", &options->settings.size, "Rows and columns of the matrices (4096)").at_least(1);
  verb.option("--repeats", &options->settings.repeats, "Best of so many (5)").at_least(1);
  verb.flag("--json", &options->json, "One JSON object on standard output");
  verb.action([options] { bench_device(*options); });
}

}  // namespace

void add_bench(const Verb& app, Outcome&) {
  const Verb bench = app.verb("bench", "Measure speed and memory.");
  bench.require_verb();
  add_attention(bench);
  add_train_bench(bench);
  add_generate_bench(bench);
  add_device_bench(bench);
}

}  // namespace lf::cli
