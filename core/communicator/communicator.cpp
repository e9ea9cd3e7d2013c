#include "core/communicator/communicator.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/communicator/divided.h"

namespace lf {
namespace {

// Slices of about one length, which begin on 64 bytes of any type.
Bounds even_slices(int64_t elements, int ranks) {
  constexpr int64_t kUnit = 64;
  const int64_t units = (elements + kUnit - 1) / kUnit, most = (units + ranks - 1) / ranks * kUnit;
  Bounds result;
  for (int rank = 0; rank <= ranks; ++rank) result.push_back(std::min(rank * most, elements));
  return result;
}

// What every rank has of a plain kind.
template <class T>
std::vector<T> gather_each(Communicator& ranks, const T& mine) {
  std::vector<T> all;
  for (const std::string& each :
       ranks.gather(std::string(reinterpret_cast<const char*>(&mine), sizeof mine))) {
    CHECK(each.size() == sizeof(T), "ranks are not at the same place of their program");
    std::memcpy(&all.emplace_back(), each.data(), sizeof(T));
  }
  return all;
}

}  // namespace

Pending Communicator::start_sum(const Tensor& x) {
  // Two exchanges, carried out one after the other; the second is waited for.
  const Bounds slices = even_slices(x.elements(), size());
  auto first = std::make_shared<Pending>(start_reduce_scatter(x, slices));
  auto second = std::make_shared<Pending>(start_all_gather(x, slices));
  return Pending([first, second] {
    first->wait();
    second->wait();
  });
}

void Communicator::sum(std::vector<double>& values) {
  if (size() == 1) return;
  const std::vector<std::vector<double>> all = gather_numbers(*this, values);
  std::fill(values.begin(), values.end(), 0.0);
  for (const std::vector<double>& theirs : all) {
    CHECK(theirs.size() == values.size(), "ranks add lists of different lengths");
    for (size_t i = 0; i < values.size(); ++i) values[i] += theirs[i];
  }
}

Agreement Communicator::agree(const Agreement& mine) {
  if (size() == 1) return mine;
  Agreement result;
  for (const Agreement& one : gather_each(*this, mine)) {
    result.finite = result.finite && one.finite;
    result.save = result.save || one.save;
    result.over_time = result.over_time || one.over_time;
    result.signal = std::max(result.signal, one.signal);
  }
  return result;
}

int64_t Communicator::maximum(int64_t value) {
  if (size() == 1) return value;
  return std::ranges::max(gather_each(*this, value));
}

void throw_together(Communicator& ranks, const std::exception_ptr& failure) {
  if (ranks.size() == 1) {
    if (failure) std::rethrow_exception(failure);
    return;
  }
  std::string mine;  // a kind and the message; nothing where all went well
  bool usage = false;
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const OtherRankFailed&) {
    throw;
  } catch (const UsageError& error) {
    mine = text("u", error.what());
    usage = true;
  } catch (const std::exception& error) {
    mine = text("e", error.what());
  }
  const std::vector<std::string> all = ranks.gather(mine);
  const auto lowest = std::find_if(all.begin(), all.end(), [](const std::string& m) { return !m.empty(); });
  if (lowest == all.end()) return;
  ranks.ended_together();
  const int teller = static_cast<int>(lowest - all.begin());
  if (ranks.rank() != teller) {
    throw OtherRankFailed(text("rank ", teller, " has failed: ", lowest->substr(1)),
                          lowest->front() == 'u' ? kBadUsage : kFailed);
  }
  // What rank 0 looks after for all needs no name.
  const bool alike = std::all_of(
      all.begin(), all.end(), [&](const std::string& m) { return m == mine || (teller == 0 && m.empty()); });
  if (alike) std::rethrow_exception(failure);
  const std::string what = text("rank ", teller, " (", ranks.host(teller), "): ", mine.substr(1));
  if (usage) throw UsageError(what);
  throw Error(what);
}

}  // namespace lf
