// Every mistake found in a configuration, gathered so that one error can report them all.
#pragma once

#include <string>
#include <vector>

#include "core/check.h"

namespace lf {

// Where something was written: a file with line and column from 1, or an override (line 0).
struct Place {
  std::string source;
  int line = 0;
  int column = 0;

  // "demo.yaml:3:5" or "--set model.width=7".
  std::string words() const;
};

class Problems {
 public:
  // Notes that the key at path is wrong; the parts make the message. An empty path is the file as a whole.
  template <class... Parts>
  void add(const Place& place, const std::string& path, const Parts&... parts) {
    problems_.push_back({place, path, text(parts...)});
  }

  // Whether the key itself or something above it is already known to be wrong.
  bool wrong_at_or_above(const std::string& path) const;

  // Whether the key, something below it or something above it is already known to be wrong.
  bool wrong_around(const std::string& path) const;

  // Throws a UsageError of one line per problem, in the order of the text; nothing when there is none.
  void throw_if_any() const;

 private:
  struct Problem {
    Place place;
    std::string path, message;
  };
  std::vector<Problem> problems_;
};

}  // namespace lf
