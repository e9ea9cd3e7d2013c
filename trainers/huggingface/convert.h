// From RoBERTa to Longformer (Beltagy et al. 2020, section 5): positions copied to a longer table, window
// attention, global projections that begin as copies of the local ones.
#pragma once

#include <cstdint>
#include <string>

#include "autograd/tape.h"
#include "core/weights/safetensors.h"
#include "layers/encoder.h"

namespace lf {

// Where the positions beyond the source's come from: the source's, over and over, or, as the control of the
// paper's Table 5, drawn at random.
enum class NewPositions { copied, random };

struct LongformerRequest {
  std::string source;       // a RoBERTa's model folder
  std::string destination;  // must not exist
  int64_t max_positions = 4096;
  int64_t window = 512;  // keys on both sides together, in every layer; even
  NewPositions positions = NewPositions::copied;
  uint64_t seed = 1;  // of random positions
};

// What a conversion did, for a report.
struct ConversionReport {
  int64_t source_positions = 0, positions = 0, layers = 0, tensors = 0;
  std::vector<std::string> warnings{};
};

// Adds the tensor and, before it, a copy for global attention where it is a projection of local attention:
// "....query_global.weight" of "....query.weight" behind `attention`, such as ".attention.self.".
void add_with_global_copy(const NamedTensor& tensor, const std::string& attention,
                          std::vector<NamedTensor>& tensors, ConversionReport& report);

// Throws UsageError for a window or a number of positions that a model with `positions` cannot be given.
void check_new_sizes(int64_t window, int64_t max_positions, int64_t positions);

// Converts any model of RoBERTa's architecture, with whatever heads it has; all other tensors keep their
// bits. Errors name what does not fit: another architecture, an odd window, fewer positions than the source
// has, missing tensors.
ConversionReport convert_to_longformer(const LongformerRequest& request);

// The longer position table (max_positions + padding_id + 1, D): the rows up to padding_id as they are, then
// the source's other rows again and again; with `random`, the rows beyond the source's are drawn from N(0,
// range).
Tensor extended_positions(const Tensor& source, int32_t padding_id, int64_t max_positions,
                          NewPositions positions, double range, uint64_t seed);

// Whether every layer's global projections equal the local ones, as after convert_to_longformer().
bool has_global_copies(const Encoder& encoder);

// Makes every layer's global projections copies of the local ones, as after training without global tokens,
// which leaves them behind.
void copy_local_to_global(const Encoder& encoder);

}  // namespace lf
