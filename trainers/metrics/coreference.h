// How well coreference is told: MUC (Vilain et al. 1995), B³ (Bagga and Baldwin 1998), CEAF (Luo 2005), BLANC
// (Recasens and Hovy 2011), all as version 8.01 of CoNLL's official scorer has them for predicted mentions
// (Pradhan et al. 2014; Luo et al. 2014), and LEA (Moosavi and Strube 2016).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/coreference_document.h"

namespace lf {

struct CoreferenceScore {
  double recall = 0, precision = 0, f1 = 0;
};

enum class CoreferenceMetric { mentions, muc, b_cubed, ceafm, ceafe, blanc, lea };

inline constexpr std::array kCoreferenceMetrics = {CoreferenceMetric::mentions, CoreferenceMetric::muc,
                                                   CoreferenceMetric::b_cubed,  CoreferenceMetric::ceafm,
                                                   CoreferenceMetric::ceafe,    CoreferenceMetric::blanc,
                                                   CoreferenceMetric::lea};

inline std::vector<std::string> names_of(CoreferenceMetric) {
  return {"mentions", "muc", "bcub", "ceafm", "ceafe", "blanc", "lea"};
}

// Counts over documents, as the official scorer adds them up.
class CoreferenceScores {
 public:
  // The clusters of one document, singletons included; a mention may be in one cluster only.
  void add(const std::vector<Cluster>& key, const std::vector<Cluster>& response);

  // 0 where a denominator is 0.
  CoreferenceScore score(CoreferenceMetric metric) const;
  // The mean of the F1 of MUC, B³ and CEAFe: the figure of CoNLL-2012's shared task.
  double conll() const;

 private:
  // What was right of the key and of the response, and how much there was.
  struct Counts {
    double key_right = 0, key = 0, response_right = 0, response = 0;
  };
  Counts& of(CoreferenceMetric metric) { return counts_[static_cast<size_t>(metric)]; }
  CoreferenceScore blanc() const;

  std::array<Counts, kCoreferenceMetrics.size()> counts_{};  // BLANC's: of coreference links
  Counts other_links_;                                       // of pairs of mentions that do not corefer
};

}  // namespace lf
