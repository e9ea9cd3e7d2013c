// Errors: one exception type and one macro. A message says who, what was given and what was needed.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace lf {

// A failure the user can act on; what() is the whole message. The program ends with exit code 1.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A mistake in how the program was called or configured. The program ends with exit code 2.
class UsageError : public Error {
 public:
  using Error::Error;
};

// Joins the parts into one string with operator<<.
template <class... Parts>
std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

}  // namespace lf

// Throws lf::Error made of the parts unless the condition holds; active in every build.
#define CHECK(condition, ...)                                     \
  do {                                                            \
    if (!(condition)) throw ::lf::Error(::lf::text(__VA_ARGS__)); \
  } while (0)
