// The metrics of `longform score`, a verb each.
#pragma once

#include "cli/verb.h"

namespace lf::cli {

void add_rouge_score(const Verb& score);
void add_entities_score(const Verb& score);
void add_coreference_score(const Verb& score);
void add_answer_scores(const Verb& score);  // SQuAD, TriviaQA, HotpotQA

}  // namespace lf::cli
