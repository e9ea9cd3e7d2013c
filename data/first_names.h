// How messages name what may be many: the first few, and how many there are.
#pragma once

#include <cstddef>
#include <string>

namespace lf {

class FirstNames {
 public:
  void add(const std::string& name) {
    if (++count_ <= kShown) list_ += (list_.empty() ? "" : ", ") + name;
  }
  size_t count() const { return count_; }
  // The first five, separated by commas, and "..." for more.
  std::string list() const { return list_ + (count_ > kShown ? ", ..." : ""); }

 private:
  static constexpr size_t kShown = 5;
  size_t count_ = 0;
  std::string list_;
};

}  // namespace lf
