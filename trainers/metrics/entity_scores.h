// How well entities are found, as seqeval scores them: an entity counts where begin, end and type are right.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/tasks/entities.h"

namespace lf {

struct EntityCounts {
  int64_t expected = 0, predicted = 0, correct = 0;

  // 0 where the denominator is 0.
  double precision() const;
  double recall() const;
  double f1() const;
};

class EntityScores {
 public:
  // The entities of one text.
  void add(const std::vector<Entity>& expected, const std::vector<Entity>& predicted);

  // Of every type that was expected or predicted.
  const std::map<std::string, EntityCounts>& types() const { return types_; }
  // Of all entities together: seqeval's "micro avg".
  EntityCounts all() const;
  // The mean of the types' F1: seqeval's "macro avg".
  double macro_f1() const;
  // The same, each type counted by its expected entities: seqeval's "weighted avg".
  double weighted_f1() const;

 private:
  std::map<std::string, EntityCounts> types_;
};

}  // namespace lf
