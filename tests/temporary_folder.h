// For tests that write: a folder that vanishes with the object, its entries, and the message of an expected
// error.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "core/check.h"

namespace lf {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string path = (std::filesystem::temp_directory_path() / "longform-test-XXXXXX").string();
    CHECK(::mkdtemp(path.data()) != nullptr, "cannot create ", path);
    path_ = path;
    ::chmod(path.c_str(), 0777);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Names of everything in a folder, sorted.
inline std::vector<std::string> entries(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

// What the lf::Error thrown by the action says; empty when nothing is thrown.
template <class Action>
std::string error_of(Action&& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

// Takes root's power over file rights away while it lives, so that tests of rights work for root too.
class WithoutPrivileges {
 public:
  WithoutPrivileges() : was_root_(::geteuid() == 0) {
    if (was_root_) CHECK(::seteuid(65534) == 0, "cannot become an ordinary user");
  }
  ~WithoutPrivileges() {
    if (was_root_ && ::seteuid(0) != 0) std::abort();
  }
  WithoutPrivileges(const WithoutPrivileges&) = delete;
  WithoutPrivileges& operator=(const WithoutPrivileges&) = delete;

 private:
  bool was_root_;
};

}  // namespace lf

// The action throws lf::Error whose message contains the part.
#define EXPECT_ERROR(action, part) \
  EXPECT_PRED_FORMAT2(::testing::IsSubstring, part, ::lf::error_of([&] { (void)(action); }))
