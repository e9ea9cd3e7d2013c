#include "cli/options.h"

#include <charconv>
#include <cstdio>
#include <system_error>

#include "core/check.h"

namespace lf::cli {

Device parse_device(const std::string& text) {
  if (text != "cpu" && text != "cuda") throw UsageError("--device is " + text + "; needed cpu or cuda");
  const Device device = text == "cpu" ? Device::cpu : Device::cuda;
  require(device);
  return device;
}

DType parse_dtype(const std::string& option, const std::string& text) {
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64}) {
    if (text == name(dtype)) return dtype;
  }
  throw UsageError(option + " is " + text + "; needed f32, bf16 or f64");
}

void check_standard_output() {
  const bool written = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
  CHECK(written, "cannot write standard output: the disk is full or the reader is gone");
}

void add_overrides(CLI::App& verb, std::vector<std::string>& overrides, const std::string& example) {
  verb.add_option("--set", overrides, "Override a key, such as " + example + "; may be repeated")
      ->allow_extra_args(false)
      ->option_text("KEY=VALUE");
}

void print_warnings(const std::vector<std::string>& warnings) {
  for (const std::string& warning : warnings) std::fprintf(stderr, "warning: %s\n", warning.c_str());
}

CLI::Validator at_least(int64_t least) {
  const auto check = [least](const std::string& given) {
    int64_t number = 0;
    const char* const end = given.data() + given.size();
    const auto [stop, error] = std::from_chars(given.data(), end, number);
    const bool fits = error == std::errc() && stop == end && number >= least;
    return fits ? std::string() : text("is ", given, "; needed a whole number of at least ", least);
  };
  return CLI::Validator(check, "", "");
}

}  // namespace lf::cli
