#include "data/tasks/bad_records.h"

namespace lf {

void BadRecordCount::report(const std::string& path, std::vector<std::string>& notices) const {
  if (bad_.count() == 0) return;
  if (policy_ == BadRecords::kRefuse) {
    if (bad_.count() == 1) throw Error(first_);
    throw Error(text(first_, "; ", bad_.count(), " of ", all_,
                     " records are bad (bad_records: leave_out does "
                     "without them)"));
  }
  CHECK(bad_.count() < all_, path, ": all ", all_, " records are bad: ", bad_.list());
  notices.push_back(text(path, ": ", bad_.count(), " of ", all_, " records were left out: ", bad_.list()));
}

}  // namespace lf
