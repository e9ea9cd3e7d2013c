// From BART to LED (Beltagy et al. 2020, section 7): the encoder's positions copied to a longer table, window
// attention, global projections that begin as copies of the local ones; the decoder stays as it is.
#pragma once

#include <cstdint>
#include <string>

#include "trainers/huggingface/convert.h"

namespace lf {

struct LedRequest {
  std::string source;       // a BART's model folder
  std::string destination;  // must not exist
  int64_t max_positions = 16384;
  int64_t window = 1024;  // keys on both sides together, in every layer; even
};

// Converts a BART with its output layer; every other tensor keeps its bits. Errors name what does not fit:
// another architecture, scaled word embeddings, which LED does not have, an odd window, fewer positions than
// the source has, missing tensors.
ConversionReport convert_to_led(const LedRequest& request);

}  // namespace lf
