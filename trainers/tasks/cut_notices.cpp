#include "trainers/tasks/cut_notices.h"

#include "core/format.h"

namespace lf {

void notice_cut(const Stage& stage, Split split, const char* what, const TokenizedTexts& texts, int64_t most,
                std::vector<std::string>& notices) {
  const int64_t longer = texts.longer_than(most);
  if (longer == 0) return;
  notices.push_back(text(stage.name, ": ", longer, " of ", texts.count(), ' ', name(split), ' ', what,
                         " are longer than ", most, " tokens and are cut there"));
}

}  // namespace lf
