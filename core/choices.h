// Enumerations that users name, in configuration files, on the command line and in files of a corpus.
#pragma once

#include <concepts>
#include <cstddef>
#include <string>
#include <type_traits>
#include <vector>

namespace lf {

// An enumeration whose values count from 0 and whose names are listed in that order by names_of(E), which
// stands beside it. Values behind the listed ones have no name, so nobody can choose them.
template <class E>
concept Choice = std::is_enum_v<E> && requires(E value) {
  { names_of(value) } -> std::same_as<std::vector<std::string>>;
};

template <Choice E>
std::string choice_name(E value) {
  return names_of(value).at(static_cast<size_t>(value));
}

// Where `name` stands among `names`; throws UsageError "WHAT is NAME; needed A, B or C".
size_t choice_position(const std::string& what, const std::string& name,
                       const std::vector<std::string>& names);

// The value of that name; the same error.
template <Choice E>
E choice_of(const std::string& what, const std::string& name) {
  return static_cast<E>(choice_position(what, name, names_of(E{})));
}

}  // namespace lf
