// The section `ranks:` of a configuration: how several processes share a run.
#pragma once

#include "trainers/config/fields.h"

namespace lf {

enum class ReductionChoice { fast, ordered };

inline std::vector<std::string> names_of(ReductionChoice) { return {"fast", "ordered"}; }

struct RanksSection {
  ReductionChoice reduction = ReductionChoice::fast;
  int64_t sequence = 1;
  double bucket_megabytes = 16;
  double silence_seconds = 15;
  double stuck_seconds = 600;

  // Of gradients that are sent at once.
  int64_t bucket_elements() const { return static_cast<int64_t>(bucket_megabytes * 1e6 / sizeof(float)); }

  static void visit(auto& self, auto&& field) {
    field("reduction", self.reduction,
          "How gradients are added up: fast, by rank and then over ranks; or ordered, one micro-batch after "
          "the "
          "other, whose weights have the same bits for any number of ranks.");
    field(
        "sequence", self.sequence,
        "So many ranks share each sequence, of which every one computes a slice; they exchange what a window "
        "reaches. Their number must divide that of all ranks.",
        within(1, 65536));
    field("bucket_megabytes", self.bucket_megabytes,
          "Gradients that are sent at once, as soon as the backward pass has completed them.",
          within(0.001, 65536.0));
    field("silence_seconds", self.silence_seconds,
          "Seconds without a sign of life of a rank after which it counts as lost, and the run ends.",
          within(1.0, 86400.0));
    field(
        "stuck_seconds", self.stuck_seconds,
        "Seconds that others wait for a rank that is alive but does not go on with what it is doing, before "
        "the run ends.",
        within(1.0, 864000.0));
  }
  bool operator==(const RanksSection&) const = default;
};

}  // namespace lf
