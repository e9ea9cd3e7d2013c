// How a Longformer attends globally, where a task leaves it to the user.
#pragma once

#include <string>
#include <vector>

namespace lf {

// Which tokens of a text see all of it and are seen by all.
enum class GlobalAttention { first_token, none };
// Whether that has projections of its own, or shares those of the windows (Beltagy et al. 2020, table 10).
enum class GlobalProjections { own, shared };

inline std::vector<std::string> names_of(GlobalAttention) { return {"first_token", "none"}; }
inline std::vector<std::string> names_of(GlobalProjections) { return {"own", "shared"}; }

}  // namespace lf
