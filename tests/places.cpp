// The only file that knows the build machine's paths, so that the others compile to the same code anywhere.
#include "tests/places.h"

namespace lf {

std::string source_path(const std::string& name) { return LF_SOURCE_DIR "/" + name; }

std::string program_path() { return LF_PROGRAM; }

}  // namespace lf
