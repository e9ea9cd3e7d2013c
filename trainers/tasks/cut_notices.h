// What a run says of texts that are longer than it reads.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/tasks/tokenized_texts.h"
#include "trainers/tasks/task.h"

namespace lf {

// "STAGE: 2 of 9 train documents are longer than 512 tokens and are cut there", where some are.
void notice_cut(const Stage& stage, Split split, const char* what, const TokenizedTexts& texts, int64_t most,
                std::vector<std::string>& notices);

}  // namespace lf
