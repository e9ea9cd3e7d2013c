#include "trainers/ranks/same_run.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>

#include "core/hash.h"
#include "core/messages.h"
#include "core/threads.h"
#include "trainers/config/load.h"
#include "trainers/config/paths.h"
#include "trainers/run/run_folder.h"

namespace lf {
namespace {

// The first rank that says something else than rank 0; 0 if there is none.
int first_other(const std::vector<std::string>& all) {
  const auto other = std::find_if(all.begin(), all.end(), [&](const auto& each) { return each != all[0]; });
  return other == all.end() ? 0 : static_cast<int>(other - all.begin());
}

}  // namespace

void check_same(Communicator& ranks, const std::string& mine, const std::string& differs) {
  const int other = first_other(ranks.gather(mine));
  all_or_none(ranks, [&] {
    if (other > 0 && ranks.rank() == 0)
      throw UsageError(
          text("rank ", other, " on ", ranks.host(other), ' ', differs, " than rank 0 on ", ranks.host(0)));
  });
}

int turn_of(const Communicator& ranks) {
  if (ranks.rank() == 0) return 0;
  const std::string here = ranks.host(ranks.rank());
  for (int rank = 0; rank < ranks.rank(); ++rank)
    if (ranks.host(rank) == here) return 2;
  return 1;
}

std::shared_ptr<Communicator> open_ranks(const RanksSection& settings, Device device, const Alarm& alarm) {
  if (!started_by_mpi()) return alone();
  const Patience patience{.silence = settings.silence_seconds, .stuck = settings.stuck_seconds};
  std::shared_ptr<Communicator> ranks = over_mpi(patience, alarm);
  messages::set_rank(ranks->rank());
#ifdef LF_NCCL
  if (device == Device::cuda && ranks->size() > 1) return over_nccl(ranks, patience);
#else
  (void)device;  // its tensors are copied to the host and back
#endif
  return ranks;
}

void check_same_program(Communicator& ranks) {
  if (ranks.size() > 1)
    check_same(ranks, content_hash_of_file("/proc/self/exe").hash, "runs another program");
}

RunConfig agreed_config(Communicator& ranks, const RunConfig& config, const std::string& folder,
                        bool resume) {
  if (ranks.size() == 1) return settled_config(config, folder, resume);
  check_same_program(ranks);
  check_same(ranks, text(folder, resume ? " resumed" : ""), "was given another --out, or --resume,");
  const std::vector<std::string> given = ranks.gather(to_yaml(config));
  const int other = first_other(given);
  all_or_none(ranks, [&] {
    if (other == 0 || ranks.rank() != 0) return;
    std::string changes;
    for (const std::string& line :
         changed_keys(config, parse_run_config(given[static_cast<size_t>(other)], text("rank ", other))))
      changes += "\n  " + line;
    throw UsageError(text("rank ", other, " on ", ranks.host(other),
                          " was given another configuration than rank 0:", changes));
  });
  const std::string settled = all_or_none(ranks, [&] {
    return ranks.rank() == 0 ? to_yaml(settled_config(config, folder, resume)) : std::string();
  });
  return parse_run_config(ranks.broadcast(settled), "the configuration of rank 0");
}

void use_threads_of(Communicator& ranks, int64_t threads) {
  use_threads(threads);
  if (ranks.size() == 1) return;
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  ::sched_getaffinity(0, sizeof allowed, &allowed);
  std::string place = ranks.host(ranks.rank()) + " ";
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) place += CPU_ISSET(cpu, &allowed) ? '1' : '0';
  const std::vector<std::string> places = ranks.gather(place);
  const auto sharing = std::count(places.begin(), places.end(), place);
  if (threads == 0 && !std::getenv("OMP_NUM_THREADS"))
    use_threads(std::max<int64_t>(1, num_threads() / sharing));
}

void check_same_data(Communicator& ranks, const RunConfig& config, const Task& task) {
  if (ranks.size() == 1) return;
  check_same(ranks, task.data_hash() + " " + task.vocabulary_hash(),
             "has other content of " + data_words(config));
  check_same(ranks, task.model_hash(), "has another model in " + task.model_folder());
}

OpenedModel open_together(Communicator& ranks, const std::string& path, const OpenOptions& options) {
  check_same_program(ranks);
  OpenedModel opened = in_turn(ranks, [&] { return open_model(path, options); });
  use_threads_of(ranks, opened.config.threads);
  if (ranks.size() == 1) return opened;
  check_same(ranks, to_yaml(opened.config), "opens another configuration of " + path);
  if (options.needs_data) check_same_data(ranks, opened.config, *opened.task);
  const Tensor weights = opened.task->parameters().values.to(Device::cpu);
  const auto* const bytes = reinterpret_cast<const uint8_t*>(weights.raw());
  check_same(ranks, content_hash({bytes, static_cast<size_t>(weights.bytes())}),
             "has other weights of " + opened.origin);
  return opened;
}

std::string too_few_micro_batches(const Stage& stage, int64_t groups, bool of_several) {
  const int64_t most = (stage.batch_size + stage.micro_batch - 1) / stage.micro_batch;
  if (stage.micro_batch_tokens > 0 || most >= groups) return "";
  return text("stage ", stage.name, ": an update has ", most, " micro-batches, too few for ", groups,
              of_several ? " groups of ranks" : " ranks",
              "; take fewer ranks, a larger batch_size or a smaller micro_batch");
}

void check_enough_work(const RankGrid& ranks, const std::vector<Stage>& stages) {
  for (const Stage& stage : stages) {
    const std::string few = too_few_micro_batches(stage, ranks.groups(), ranks.slices() > 1);
    if (!few.empty()) throw UsageError(few);
  }
}

}  // namespace lf
