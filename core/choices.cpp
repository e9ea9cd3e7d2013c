#include "core/choices.h"

#include <algorithm>

#include "core/check.h"

namespace lf {

size_t choice_position(const std::string& what, const std::string& name,
                       const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<size_t>(found - names.begin());
  std::string needed;
  for (size_t i = 0; i < names.size(); ++i)
    needed += (i == 0 ? "" : i + 1 == names.size() ? " or " : ", ") + names[i];
  throw UsageError(what + " is " + name + "; needed " + needed);
}

}  // namespace lf
