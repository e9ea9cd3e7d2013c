// What becomes of records that cannot be used: all of them are counted, and the first are named.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/check.h"
#include "data/first_names.h"

namespace lf {

enum class BadRecords { kRefuse, kLeaveOut };

inline std::vector<std::string> names_of(BadRecords) { return {"refuse", "leave_out"}; }

class BadRecordCount {
 public:
  explicit BadRecordCount(BadRecords policy) : policy_(policy) {}

  // Calls read(), which takes one more record; an Error of it, "WHERE: WHY", is what is bad about the record.
  template <class Read>
  void attempt(Read&& read) {
    ++all_;
    try {
      read();
    } catch (const Error& error) {
      if (bad_.count() == 0) first_ = error.what();
      bad_.add(error.what());
    }
  }

  // After the last record of the file. Refused, bad ones are an Error that shows the first and how many there
  // are; left out, they are a notice.
  void report(const std::string& path, std::vector<std::string>& notices) const;

 private:
  BadRecords policy_;
  size_t all_ = 0;
  FirstNames bad_;
  std::string first_;
};

}  // namespace lf
