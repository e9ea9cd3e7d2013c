// longform score METRIC RIGHT TOLD: what any program wrote, against what was wanted.
#include "cli/score.h"

#include "cli/verbs.h"

namespace lf::cli {

void add_score(const Verb& app, Outcome&) {
  const Verb score = app.verb("score", "Score answers against references, whatever wrote them.");
  score.require_verb();
  add_rouge_score(score);
  add_entities_score(score);
  add_coreference_score(score);
  add_answer_scores(score);
}

}  // namespace lf::cli
