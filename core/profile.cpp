#include "core/profile.h"

#include <string_view>

#include "core/seconds.h"
#include "core/storage.h"

namespace lf {
namespace {

// Phases whose times the device has yet to say, at most: some ten micro-batches of a large model. Beyond,
// the host waits for it, which it would soon do anyway.
constexpr size_t kMostPending = 8192;

}  // namespace

struct Profile::Node {
  const char* name;
  int64_t calls = 0;
  double seconds = 0;
  std::vector<std::unique_ptr<Node>> inner;

  Node* child(const char* wanted) {
    for (const auto& node : inner) {
      if (node->name == wanted || std::string_view(node->name) == wanted) return node.get();
    }
    inner.push_back(std::make_unique<Node>(Node{wanted, 0, 0, {}}));
    return inner.back().get();
  }
};

Profile::Profile(Device device)
    : device_(device), before_(current_), root_(std::make_unique<Node>(Node{"all", 1, 0, {}})) {
  Storage(0, device,
          [] { return std::string("a first block"); });  // which refuses a device that is not there
  started_ = seconds_now();
  current_ = this;
}

Profile::~Profile() {
  current_ = before_;
  if constexpr (kHasCuda) {
    settle(0);
    for (const Open& open : open_) cuda::destroy_mark(open.mark);
    for (const cuda::Mark spare : spare_) cuda::destroy_mark(spare);
  }
}

void Profile::enter(const char* name) {
  Node* parent = open_.empty() ? root_.get() : open_.back().node;
  Open open{parent->child(name), {}, nullptr};
  if (device_ == Device::cuda)
    open.mark = mark();
  else
    open.started = seconds_now();
  open_.push_back(open);
}

void Profile::leave() noexcept {
  const Open open = open_.back();
  open_.pop_back();
  open.node->calls += 1;
  if (device_ == Device::cpu) {
    open.node->seconds += seconds_now() - open.started;
    return;
  }
  pending_.push_back({open.node, open.mark, mark()});
  // Between steps what is known is read; within one only where there is too much.
  if (open_.empty() || pending_.size() > kMostPending) settle(kMostPending);
}

// The stream's present point, noted when the device gets there.
cuda::Mark Profile::mark() noexcept {
  if constexpr (kHasCuda) {
    cuda::Mark spare = nullptr;
    if (!spare_.empty()) {
      spare = spare_.back();
      spare_.pop_back();
    }
    return cuda::set_mark(spare);
  }
  return nullptr;
}

// Reads the times that are there; waits only until at most `most` are missing.
void Profile::settle(size_t most) noexcept {
  if constexpr (kHasCuda) {
    while (!pending_.empty()) {
      const Pending oldest = pending_.front();
      if (pending_.size() > most)
        cuda::wait_for(oldest.end);
      else if (!cuda::reached(oldest.end))
        return;
      oldest.node->seconds += cuda::seconds_between(oldest.begin, oldest.end);
      for (const cuda::Mark used : {oldest.begin, oldest.end}) spare_.push_back(used);
      pending_.pop_front();
    }
  }
}

PhaseTime Profile::time_of(const Node& node) {
  PhaseTime time{node.name, node.calls, node.seconds, {}};
  for (const auto& inner : node.inner) time.inner.push_back(time_of(*inner));
  return time;
}

PhaseTime Profile::times() {
  settle(0);
  root_->seconds = seconds_now() - started_;
  return time_of(*root_);
}

}  // namespace lf
