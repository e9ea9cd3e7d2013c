// Errors: one exception type and one macro. A message says who, what was given and what was needed.
#pragma once

#include <initializer_list>
#include <ostream>
#include <stdexcept>
#include <string>
#include <string_view>

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

// The exit codes of a program that failed, and that was called or configured wrongly.
inline constexpr int kFailed = 1, kBadUsage = 2;
inline int exit_code_of(const std::exception& error) {
  return dynamic_cast<const UsageError*>(&error) ? kBadUsage : kFailed;
}

// Writes a value as operator<< does; the usual types are compiled once, in check.cpp.
template <class T>
void print_value(std::ostream& out, const void* value) {
  out << *static_cast<const T*>(value);
}
template <>
void print_value<std::string>(std::ostream& out, const void* value);
template <>
void print_value<std::string_view>(std::ostream& out, const void* value);
template <>
void print_value<char>(std::ostream& out, const void* value);
template <>
void print_value<bool>(std::ostream& out, const void* value);
template <>
void print_value<int>(std::ostream& out, const void* value);
template <>
void print_value<unsigned>(std::ostream& out, const void* value);
template <>
void print_value<long>(std::ostream& out, const void* value);
template <>
void print_value<unsigned long>(std::ostream& out, const void* value);
template <>
void print_value<float>(std::ostream& out, const void* value);
template <>
void print_value<double>(std::ostream& out, const void* value);

// A part of a text, which must outlive it.
struct MessagePart {
  const void* value;
  void (*print)(std::ostream& out, const void* value);

  template <class T>
  MessagePart(const T& part) : value(&part), print(&print_value<T>) {}
  MessagePart(const char* part);
};

std::string joined_parts(std::initializer_list<MessagePart> parts);

// Joins the parts into one string with operator<<. All that is compiled for a list of parts is one call:
// messages stand everywhere.
template <class... Parts>
std::string text(const Parts&... parts) {
  return joined_parts({MessagePart(parts)...});
}

}  // namespace lf

// Throws lf::Error made of the parts unless the condition holds; active in every build.
#define CHECK(condition, ...)                                     \
  do {                                                            \
    if (!(condition)) throw ::lf::Error(::lf::text(__VA_ARGS__)); \
  } while (0)
