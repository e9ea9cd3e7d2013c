// Records as what an encoder takes, for every task that answers them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "autograd/tape.h"
#include "core/check.h"
#include "data/records.h"
#include "data/tokenizer/byte_level_tokenizer.h"
#include "layers/encoder_shape.h"

namespace lf {

bool any_text(const std::vector<Record>& records);

// Gives records of text their ids, one row each.
void tokenize(std::vector<Record>& records, const ByteLevelTokenizer& tokenizer);

// The record's ids as a batch; mask and global tokens where it has them. A padded token is not global.
EncoderInput encoder_input(const Record& record);

// What `compute` says about the record, without gradients; its errors have the record's place before them.
template <class F>
auto at_record(const Record& record, F&& compute) {
  try {
    const NoGrad no_grad;
    return compute();
  } catch (const Error& error) {
    throw Error(text(record.where, ": ", error.what()));
  }
}

}  // namespace lf
