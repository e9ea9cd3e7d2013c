// Libraries that are loaded when they are needed, and what is said where they are missing.
#include "core/loaded_library.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>

#include "core/nvidia_folders.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

const LoadedLibrary& mathematics() {
  static const LoadedLibrary library("the test", "libm.so.6", {}, "install a C library");
  return library;
}

std::string message_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

class Variable {
 public:
  Variable(const char* name, const std::string& value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    setenv(name, value.c_str(), 1);
  }
  ~Variable() { setenv(name_, old_.c_str(), 1); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const char* name_;
  std::string old_;
};

TEST(LoadedLibrary, IsCalledByTheNamesOfItsFunctions) {
  const LoadedFunction<mathematics, double(double)> square_root("sqrt");
  EXPECT_EQ(square_root(9.0), 3.0);
  EXPECT_EQ(square_root(4.0), 2.0);
  const LoadedFunction<mathematics, double(double)> missing("longform_sqrt");
  EXPECT_EQ(message_of([&] { missing(1.0); }),
            "libm.so.6 has no function longform_sqrt; another version of it is needed");
}

TEST(LoadedLibrary, OneLineSaysWhatWasLookedForAndWhere) {
  EXPECT_EQ(message_of([] {
              LoadedLibrary("device x", "liblongform_none.so.3", {"/a/*/lib", "/b"}, "install y");
            }),
            "device x needs liblongform_none.so.3, which is neither where the system's loader looks "
            "(LD_LIBRARY_PATH) nor in /a/*/lib, /b; install y");
}

TEST(LoadedLibrary, AFileThatCannotBeLoadedIsNamedWithTheReason) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder / "deep/lib");
  std::ofstream(folder / "deep/lib/liblongform_text.so") << "no library at all";
  const std::string said =
      message_of([&] { LoadedLibrary("device x", "liblongform_text.so", {folder / "*/lib"}, "install y"); });
  EXPECT_NE(said.find("device x needs liblongform_text.so, which could not be loaded: "), std::string::npos)
      << said;
  EXPECT_NE(said.find(folder / "deep/lib/liblongform_text.so: "), std::string::npos) << said;
  EXPECT_NE(said.find("; install y"), std::string::npos) << said;
}

TEST(NvidiaFolders, MatchTheToolkitsAndThoseOfPythonsWheels) {
  const TemporaryFolder folder;
  const std::string environment = folder / "venv", on_path = folder / "conda";
  std::filesystem::create_directories(on_path + "/bin");
  std::ofstream(on_path + "/bin/python3") << "";
  const Variable venv("VIRTUAL_ENV", environment), path("PATH", on_path + "/bin:/nowhere"),
      home("CUDA_HOME", folder / "cuda");
  const std::vector<std::string> found = nvidia_folders();
  const auto has = [&](const std::string& pattern) {
    return std::find(found.begin(), found.end(), pattern) != found.end();
  };
  for (const std::string& pattern : {folder / "cuda/lib64", std::string("/usr/local/cuda*/lib64"),
                                     std::string("/usr/local/cuda*/targets/x86_64-linux/lib"),
                                     environment + "/lib/python3*/*-packages/nvidia/*/lib",
                                     on_path + "/lib/python3*/*-packages/nvidia/*/lib"}) {
    EXPECT_TRUE(has(pattern)) << pattern;
  }
  EXPECT_FALSE(has("/lib64"));
}

TEST(NvidiaFolders, LeadToAWheelsLibrary) {
  const TemporaryFolder folder;
  const std::string environment = folder / "my [venv]*";
  const std::string wheel = environment + "/lib/python3.11/site-packages/nvidia/cu13/lib";
  std::filesystem::create_directories(wheel);
  // Any library will do: the first of the machine's that is found by the loader's rules.
  std::filesystem::copy_file("/proc/self/exe", wheel + "/liblongform_wheel.so.13");
  const Variable venv("VIRTUAL_ENV", environment);
  const std::string said = message_of(
      [&] { LoadedLibrary("device x", "liblongform_wheel.so.13", nvidia_folders(), "install y"); });
  // It was found: only a program is no library.
  EXPECT_NE(said.find(wheel + "/liblongform_wheel.so.13: cannot dynamically load"), std::string::npos)
      << said;
}

}  // namespace
}  // namespace lf
