// The stand-in's NCCL; see include/nccl.h. An operation is done when all its ranks have come to it, and then
// for all of them at once; sums are made in the order of ranks.
#include "tests/simt/nccl.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "core/dtype.h"
#include "tests/simt/device_memory.h"
#include "tests/simt/include/nccl.h"
#include "tests/simt/streams.h"

namespace lf::simt {
namespace {

enum class Kind { kReduce, kBroadcast, kSend, kReceive };

struct Member;

// What one rank brings to an operation.
struct Call {
  Kind kind;
  const std::byte* from;
  std::byte* to;
  size_t count;
  ncclDataType_t type;
  int peer;  // or root
  Member* member;
  cudaStream_t stream;
  std::weak_ptr<Operation> operation;
  std::vector<std::shared_ptr<Call>>* meeting = nullptr;  // with the calls of others
  bool done = false;

  size_t bytes() const { return count * (type == ncclFloat64 ? 8 : type == ncclFloat32 ? 4 : 2); }
};
using Calls = std::vector<std::shared_ptr<Call>>;

struct Member {
  int rank = 0;
  bool aborted = false, broken = false, leaving = false;
  int polls = 1;  // until what was started shows
  int64_t collectives = 0;
  std::map<std::pair<int, bool>, int64_t> messages;
  Calls starting;
  std::weak_ptr<Operation> last;
};

// All of one key, held by its members' handles and operations.
struct Group {
  int size = 0, left = 0;
  std::vector<std::unique_ptr<Member>> members;  // those that have come
  // Collectives in the order of calls, messages between two ranks in theirs.
  std::map<std::string, Calls> meetings;
};

std::map<std::string, std::shared_ptr<Group>>& groups() {
  static auto* the_groups = new std::map<std::string, std::shared_ptr<Group>>;
  return *the_groups;
}
std::set<Member*>& members() {
  static auto* the_members = new std::set<Member*>;
  return *the_members;
}

int64_t keys = 0, aborted_members = 0;
thread_local bool grouped = false, joins = true;
thread_local Calls started;

template <class T>
void add_up(const Calls& calls, std::byte* to) {
  std::vector<T> sum(calls.front()->count);
  for (size_t i = 0; i < sum.size(); ++i) {
    Accumulator<T> total = 0;
    for (size_t r = 0; r < calls.size(); ++r) {
      const auto value = static_cast<Accumulator<T>>(reinterpret_cast<const T*>(calls[r]->from)[i]);
      total = r == 0 ? value : total + value;
    }
    sum[i] = static_cast<T>(total);
  }
  std::memcpy(to, sum.data(), sum.size() * sizeof(T));
}

// With all calls of the meeting there.
void carry_out(Calls& calls) {
  const OpenMemory open;
  const Call& first = *calls.front();
  for (const auto& call : calls) {
    CHECK(call->bytes() == first.bytes() && call->type == first.type &&
              (first.kind > Kind::kBroadcast || (call->kind == first.kind && call->peer == first.peer)),
          "NCCL stand-in: ranks have started different operations");
    call->done = true;
  }
  if (first.kind == Kind::kReduce) {
    std::byte* const to = calls[static_cast<size_t>(first.peer)]->to;
    if (first.type == ncclFloat32) add_up<float>(calls, to);
    if (first.type == ncclFloat64) add_up<double>(calls, to);
    if (first.type == ncclBfloat16) add_up<bf16>(calls, to);
    return;
  }
  const auto source =
      first.kind == Kind::kBroadcast
          ? calls.begin() + first.peer
          : std::ranges::find(calls, Kind::kSend, [](const auto& call) { return call->kind; });
  for (const auto& call : calls)
    if (call->to && call->to != (*source)->from) std::memmove(call->to, (*source)->from, call->bytes());
}

bool complete(const Call& call) {
  return std::ranges::all_of(*call.meeting, [](const auto& each) { return each != nullptr; });
}

// A group of calls goes on where everybody has come to each of them.
bool attempt(const Member& member, const Calls& calls) {
  if (member.aborted) return true;
  if (member.broken) return false;
  for (const auto& call : calls) {
    if (call->done) continue;
    if (!complete(*call)) return false;
    for (const auto& each : *call->meeting) {
      if (each->member->aborted || each->member->broken) return false;
      const auto operation = each->operation.lock();
      if (operation && each != call && !operation->comes_next()) return false;
    }
  }
  for (const auto& call : calls)
    if (!call->done) carry_out(*call->meeting);
  return true;
}

// What was started comes onto its stream.
void put_on_stream(Member& member, const std::shared_ptr<Group>& group) {
  if (member.starting.empty()) return;
  const Calls calls = std::exchange(member.starting, {});
  const auto operation =
      put_on(calls.front()->stream, [&member, group, calls] { return attempt(member, calls); });
  for (const auto& call : calls) {
    const bool message = call->kind > Kind::kBroadcast;
    std::string key;
    size_t place = static_cast<size_t>(member.rank), places = static_cast<size_t>(group->size);
    if (message) {
      const bool sends = call->kind == Kind::kSend;
      const int from = sends ? member.rank : call->peer, to = sends ? call->peer : member.rank;
      key = text(from, " to ", to, ": ", member.messages[{call->peer, sends}]++);
      place = sends ? 0 : 1;
      places = 2;
    } else {
      key = text("all: ", member.collectives++);
    }
    Calls& meeting = group->meetings[key];
    meeting.resize(places);
    meeting[place] = call;
    call->operation = operation;
    call->meeting = &meeting;
  }
  member.last = operation;
  something_came();
}

}  // namespace

void break_nccl(int rank) {
  const std::lock_guard lock(device_mutex());
  for (Member* member : members())
    if (member->rank == rank) member->broken = true;
}

void break_joining() { joins = false; }

NcclUse nccl_use() {
  const std::lock_guard lock(device_mutex());
  return {static_cast<int64_t>(members().size()), aborted_members};
}

}  // namespace lf::simt

using lf::simt::Call;
using lf::simt::device_mutex;
using lf::simt::Kind;
using lf::simt::Member;

struct SimulatedNccl {
  Member& member;
  std::shared_ptr<lf::simt::Group> group;
};

namespace lf::simt {
namespace {

ncclResult_t start(Kind kind, const void* from, void* to, size_t count, ncclDataType_t type, int peer,
                   SimulatedNccl* comm, cudaStream_t stream) {
  auto call =
      std::make_shared<Call>(Call{kind, static_cast<const std::byte*>(from), static_cast<std::byte*>(to),
                                  count, type, peer, &comm->member, stream});
  const bool there = (!from || on_device(from, call->bytes())) && (!to || on_device(to, call->bytes()));
  if (!there || peer < 0 || peer >= comm->group->size) return ncclInvalidArgument;
  if (!grouped || computes(stream)) return ncclInvalidUsage;
  started.push_back(std::move(call));
  return ncclSuccess;
}

}  // namespace
}  // namespace lf::simt

ncclResult_t ncclGetVersion(int* version) {
  *version = 0;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t status) {
  switch (status) {
    case ncclSystemError:
      return "unhandled system error (run with NCCL_DEBUG=INFO for details)";
    case ncclInvalidArgument:
      return "invalid argument (run with NCCL_DEBUG=WARN for details)";
    case ncclInvalidUsage:
      return "invalid usage (run with NCCL_DEBUG=WARN for details)";
    default:
      return "NCCL operation in progress";
  }
}
ncclResult_t ncclGetUniqueId(ncclUniqueId* key) {
  const std::lock_guard lock(device_mutex());
  std::snprintf(key->internal, sizeof key->internal, "key %ld", static_cast<long>(lf::simt::keys++));
  return ncclSuccess;
}

// Its own waits are not imitated: a program that would need them is refused.
ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int ranks, ncclUniqueId key, int rank,
                                    ncclConfig_t* config) {
  if (!lf::simt::device_is_set() || config->blocking != 0) return ncclInvalidUsage;
  if (!lf::simt::joins) return ncclSystemError;
  const std::lock_guard lock(device_mutex());
  auto& group = lf::simt::groups()[key.internal];
  if (!group) group = std::make_shared<lf::simt::Group>(lf::simt::Group{.size = ranks});
  group->members.push_back(std::make_unique<Member>(Member{.rank = rank}));
  lf::simt::members().insert(group->members.back().get());
  *comm = new SimulatedNccl{*group->members.back(), group};
  if (std::ssize(group->members) == ranks) lf::simt::groups().erase(key.internal);
  return ncclInProgress;
}

// What was started shows at the second question, as where another thread of NCCL's starts it.
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* status) {
  const std::lock_guard lock(device_mutex());
  Member& member = comm->member;
  const lf::simt::Group& group = *comm->group;
  *status = ncclInProgress;
  if (member.broken) {
    *status = ncclSystemError;
  } else if (std::ssize(group.members) == group.size && member.polls-- <= 0) {
    lf::simt::put_on_stream(member, comm->group);
    if (!member.leaving) {
      *status = ncclSuccess;
    } else if (group.left == group.size) {
      const auto last = member.last.lock();
      if (!last || last->advance()) *status = ncclSuccess;
    }
  }
  return ncclSuccess;
}
ncclResult_t ncclCommFinalize(ncclComm_t comm) {
  const std::lock_guard lock(device_mutex());
  comm->member.leaving = true;
  ++comm->group->left;
  return ncclInProgress;
}
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  const std::lock_guard lock(device_mutex());
  if (comm->group->left < comm->group->size) return ncclInvalidUsage;
  lf::simt::members().erase(&comm->member);
  delete comm;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t comm) {
  const std::lock_guard lock(device_mutex());
  comm->member.aborted = true;
  lf::simt::members().erase(&comm->member);
  ++lf::simt::aborted_members;
  delete comm;
  lf::simt::something_came();
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  lf::simt::grouped = true;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  const std::lock_guard lock(device_mutex());
  lf::simt::grouped = false;
  if (lf::simt::started.empty()) return ncclSuccess;
  Member& member = *lf::simt::started.front()->member;
  member.starting = std::exchange(lf::simt::started, {});
  member.polls = 1;
  return ncclInProgress;
}
ncclResult_t ncclReduce(const void* from, void* to, size_t count, ncclDataType_t type, ncclRedOp_t, int root,
                        ncclComm_t comm, cudaStream_t stream) {
  return lf::simt::start(Kind::kReduce, from, to, count, type, root, comm, stream);
}
ncclResult_t ncclBroadcast(const void* from, void* to, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return lf::simt::start(Kind::kBroadcast, from, to, count, type, root, comm, stream);
}
ncclResult_t ncclSend(const void* from, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return lf::simt::start(Kind::kSend, from, nullptr, count, type, peer, comm, stream);
}
ncclResult_t ncclRecv(void* to, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return lf::simt::start(Kind::kReceive, nullptr, to, count, type, peer, comm, stream);
}
