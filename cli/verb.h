// How a verb of the program states its options. CLI11's templates are compiled in verb.cpp alone: included by
// every verb they took a third of the program's build.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace lf::cli {

// What an option that was added accepts; each call narrows it.
class Option {
 public:
  explicit Option(CLI::Option* option) : option_(option) {}

  Option required() const;
  Option excludes(const Option& other) const;  // not both
  Option separated_by_commas() const;
  Option at_least(int64_t least) const;  // whole numbers
  Option within(int least, int most) const;
  Option within(double least, double most) const;
  Option positive() const;

 private:
  CLI::Option* option_;
};

// Where an option's value goes.
using Value = std::variant<std::string*, int*, int64_t*, uint64_t*, double*, std::optional<int64_t>*,
                           std::optional<uint64_t>*, std::optional<double>*, std::vector<std::string>*,
                           std::vector<int64_t>*>;

class Verb {
 public:
  explicit Verb(CLI::App* app) : app_(app) {}

  // A verb below this one. Every verb has --quiet and --verbose, for the messages (see core/messages.h).
  Verb verb(const std::string& name, const std::string& description) const;
  // One of the verbs below must be given.
  void require_verb() const;
  bool has_given_verb() const;

  // `name` is "--name", or "name" for what stands at that place; a list takes as many values as follow.
  Option option(const std::string& name, Value value, const std::string& description) const;
  Option flag(const std::string& name, bool* value, const std::string& description) const;
  // --set KEY=VALUE, which takes one override and may be given any number of times.
  void overrides(std::vector<std::string>* values, const std::string& example = "stages.count=3") const;

  // What the verb does once the command line has been read.
  void action(std::function<void()> run) const;

 private:
  CLI::App* app_;
};

// Reads the command line by the verbs that `add_verbs` states, and does what the given one does; --help and
// --version are printed. Throws UsageError, which names the help to see.
void run_command_line(int argc, char** argv, const std::function<void(const Verb& app)>& add_verbs);

}  // namespace lf::cli
