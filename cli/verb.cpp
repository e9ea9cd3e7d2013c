#include "cli/verb.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include "core/check.h"
#include "core/messages.h"

namespace lf::cli {
namespace {

// What is wrong with a command line. CLI11 reports an unknown verb as a missing one, and lists all that it
// did not expect from the last to the first.
std::string complaint(const CLI::App& verb, int depth, const CLI::ParseError& error, int argc, char** argv) {
  const bool has_verbs = !verb.get_subcommands([](const CLI::App*) { return true; }).empty();
  const std::string next = depth + 1 < argc ? argv[depth + 1] : "";
  if (has_verbs && !next.empty()) return next[0] == '-' ? "unknown option " + next : "unknown verb " + next;
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError)) return error.what();
  for (int i = depth + 1; i < argc; ++i) {
    const std::string option = std::string(argv[i]).substr(0, std::string(argv[i]).find('='));
    if (option.starts_with('-') && !verb.get_option_no_throw(option)) return "unknown option " + option;
  }
  return error.what();
}

// CLI11's message as one of ours.
std::string refusal(const CLI::App& app, const CLI::ParseError& error, int argc, char** argv) {
  const CLI::App* verb = &app;
  int depth = 0;
  std::string verbs;
  while (!verb->get_subcommands().empty()) {
    verb = verb->get_subcommands().front();
    verbs += " " + verb->get_name();
    ++depth;
  }
  return complaint(*verb, depth, error, argc, argv) + "; see longform" + verbs + " --help";
}

// A validator's words: nothing where `given` is a number that `fits`.
template <typename Number, typename Fits>
std::string misfit(const std::string& given, const Fits& fits, const std::string& needed) {
  Number number = 0;
  const char* const end = given.data() + given.size();
  const auto [stop, error] = std::from_chars(given.data(), end, number);
  if (error == std::errc() && stop == end && fits(number)) return "";
  return text("is ", given, "; needed ", needed);
}

}  // namespace

Option Option::required() const { return Option(option_->required()); }
Option Option::excludes(const Option& other) const { return Option(option_->excludes(other.option_)); }
Option Option::separated_by_commas() const {
  return Option(option_->delimiter(',')->allow_extra_args(false)->option_text("N[,N]"));
}
Option Option::within(int least, int most) const { return Option(option_->check(CLI::Range(least, most))); }
Option Option::within(double least, double most) const {
  return Option(option_->check(CLI::Range(least, most)));
}

Option Option::positive() const {
  const auto check = [](const std::string& given) {
    return misfit<double>(
        given, [](double number) { return number > 0 && std::isfinite(number); }, "a number above 0");
  };
  return Option(option_->check(CLI::Validator(check, "", "")));
}

Option Option::at_least(int64_t least) const {
  const auto check = [least](const std::string& given) {
    return misfit<int64_t>(
        given, [least](int64_t number) { return number >= least; },
        text("a whole number of at least ", least));
  };
  return Option(option_->check(CLI::Validator(check, "", "")));
}

Verb Verb::verb(const std::string& name, const std::string& description) const {
  CLI::App* const added = app_->add_subcommand(name, description);
  const auto level = [added](const char* option, messages::Level least, const char* shows) {
    return added->add_flag_callback(
        option, [least] { messages::show_from(least); }, shows);
  };
  level("--quiet", messages::Level::kWarning, "Show warnings and errors only, and no progress")
      ->excludes(level("--verbose", messages::Level::kDetail, "Show details as well"));
  return Verb(added);
}
void Verb::require_verb() const { app_->require_subcommand(1); }
bool Verb::has_given_verb() const { return !app_->get_subcommands().empty(); }

Option Verb::option(const std::string& name, Value value, const std::string& description) const {
  return std::visit([&](auto* place) { return Option(app_->add_option(name, *place, description)); }, value);
}

Option Verb::flag(const std::string& name, bool* value, const std::string& description) const {
  return Option(app_->add_flag(name, *value, description));
}

void Verb::overrides(std::vector<std::string>* values, const std::string& example) const {
  app_->add_option("--set", *values, "Override a key, such as " + example + "; may be repeated")
      ->allow_extra_args(false)
      ->option_text("KEY=VALUE");
}

void Verb::action(std::function<void()> run) const { app_->callback(std::move(run)); }

void run_command_line(int argc, char** argv, const std::function<void(const Verb& app)>& add_verbs) {
  CLI::App app("Longform trains Longformer models from YAML configurations.", "longform");
  app.require_subcommand(1);
  app.set_version_flag("--version", LF_VERSION);
  add_verbs(Verb(&app));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() != 0) throw UsageError(refusal(app, error, argc, argv));
    app.exit(error);  // prints help or the version
  }
}

}  // namespace lf::cli
