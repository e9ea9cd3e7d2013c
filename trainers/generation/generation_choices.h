// What of writing texts a configuration can name.
#pragma once

#include <string>
#include <vector>

namespace lf {

// When a search over beams ends, once as many texts as beams are finished. yes: at once; no: when no text
// that goes on can be better by a guess that takes its length as it is; never: by the greatest length.
enum class EarlyStopping { no, yes, never };

inline std::vector<std::string> names_of(EarlyStopping) { return {"no", "yes", "never"}; }

}  // namespace lf
