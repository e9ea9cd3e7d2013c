// The rows of op_cases() for window and global attention.
#pragma once

#include <vector>

#include "tests/autograd/op_cases.h"

namespace lf {

std::vector<OpCase> attention_cases();

}  // namespace lf
