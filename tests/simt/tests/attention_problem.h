// Problems for the device's attention kernels in bf16, run on the device, by the oracle, and by loops that
// round where tensor cores must: probabilities and score gradients before their products, and results.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "tests/core/kernels/attention/attention_oracle.h"

namespace lf {

enum class Padding { none, ragged, holes, whole_row };

struct AttentionCase {
  std::string name;
  int64_t B, T, H, K, left, right;
  std::vector<int32_t> dilation = {};
  Padding padding = Padding::none;
  std::vector<int64_t> globals = {};  // how many in each sequence; empty: none
  bool relative = false;
  double dropout = 0;
  int64_t query_begin = 0, query_end = -1;
  std::vector<int64_t> lengths = {};  // of a ragged batch; empty: B sequences of T
  bool moved_globals = false;  // the sequences are slices, which have brought them along from elsewhere
};
inline void PrintTo(const AttentionCase& c, std::ostream* out) { *out << c.name; }

// A case with its random inputs.
struct AttentionProblem {
  explicit AttentionProblem(const AttentionCase& c);

  bool is_global_row(int64_t row) const { return oracle::is_global_row(shape, row); }

  oracle::CallShape shape;
  oracle::AttentionInputs inputs;
  std::vector<double> global_q;  // (M, H, K)
  std::vector<double> dcontext;
};

struct AttentionResults {
  std::vector<double> context, lse, dq, dk, dv, du, dv_bias, dr;
  bool operator==(const AttentionResults&) const = default;
};

// Window attention on the device, in bf16 by tensor cores, outputs poisoned beforehand; context and dcontext
// of global rows are NaN in backward. Global attention likewise: q is problem.global_q, only global rows of
// context count.
AttentionResults run_window(const AttentionProblem& problem, bool backward, DType dtype = DType::bf16);
AttentionResults run_global(const AttentionProblem& problem, bool backward);

AttentionResults oracle_window(const AttentionProblem& problem, bool backward);
AttentionResults oracle_global(const AttentionProblem& problem, bool backward);

// What bf16 products cost at least: the same by loops in double with the roundings above.
AttentionResults rounded_window(const AttentionProblem& problem);
AttentionResults rounded_global(const AttentionProblem& problem);

// The norm of (received - expected) over the norm of expected; infinite where a value is not finite or is
// another infinity.
double relative_error(const std::vector<double>& received, const std::vector<double>& expected);

}  // namespace lf
