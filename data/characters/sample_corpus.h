// The corpus that comes with the program: the first 1,000,000 bytes of enwik8 (data/samples/README.md).
#pragma once

#include <string>

namespace lf {

// Where the sample is: share/longform/samples beside the installed program, else data/samples in the source
// tree. Throws Error naming both places when it is in neither.
std::string sample_corpus_path();

}  // namespace lf
