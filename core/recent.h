// What was made for a key, kept for the keys that were asked for last.
#pragma once

#include <cstddef>
#include <list>
#include <map>
#include <utility>

namespace lf {

// At most `most` values; the one that was not asked for the longest makes room for a new one. Not for several
// threads at once.
template <class Key, class Value>
class Recent {
 public:
  explicit Recent(size_t most) : most_(most) {}

  // The key's value, made by make() where there is none. The reference holds until the next call.
  template <class Make>
  const Value& get(const Key& key, Make&& make) {
    const auto found = places_.find(key);
    if (found != places_.end()) {
      items_.splice(items_.begin(), items_, found->second);
      return items_.front().second;
    }
    Value value = make();  // which may throw
    if (items_.size() == most_) {
      places_.erase(items_.back().first);
      items_.pop_back();
    }
    items_.emplace_front(key, std::move(value));
    places_.emplace(key, items_.begin());
    return items_.front().second;
  }

  size_t size() const { return items_.size(); }

 private:
  size_t most_;
  std::list<std::pair<Key, Value>> items_;  // the newest first
  std::map<Key, typename std::list<std::pair<Key, Value>>::iterator> places_;
};

}  // namespace lf
