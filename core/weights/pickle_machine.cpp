// The stack machine of the pickle format, cut down to plain data; see pickle.h and Python's pickletools.
#include "core/weights/pickle.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"

namespace lf {
namespace {

// A tensor takes about 35 operations; a byte of a hostile pickle can cost 100 bytes of memory.
constexpr int64_t kMostOperations = 10'000'000;
constexpr size_t kLongestGlobal = 256;

constexpr PickleGlobal kOrderedDict = {"collections", "OrderedDict"};

class Machine {
 public:
  Machine(std::span<const uint8_t> bytes, std::span<const PickleGlobal> allowed, const std::string& who,
          size_t origin)
      : bytes_(bytes), allowed_(allowed), who_(who), origin_(origin) {}

  Pickle run() {
    constexpr uint8_t kStop = '.';
    for (int64_t operations = 0;; ++operations) {
      begin_ = at_;
      CHECK(operations < kMostOperations, place(), "more than ", kMostOperations, " operations");
      const uint8_t code = take(1)[0];
      if (code == kStop) break;
      if (constant(code) || sized(code) || container(code) || addition(code) || memo(code) || object(code))
        continue;
      throw Error(
          text(place(), "pickle opcode ", pickle_opcode_name(code), " is not allowed: ", kPickleAdvice));
    }
    CHECK(marks_.empty() && stack_.size() == 1, place(), "the pickle ends with ", stack_.size(),
          " values and ", marks_.size(), " open marks, needed one value");
    pickle_.root = stack_.front();
    pickle_.bytes = at_;
    return std::move(pickle_);
  }

 private:
  using Kind = PickleKind;

  std::string place() const { return text(who_, "byte ", origin_ + begin_, ": "); }

  std::span<const uint8_t> take(uint64_t count) {
    CHECK(count <= bytes_.size() - at_, place(), "the pickle ends too early (truncated?)");
    const auto taken = bytes_.subspan(at_, count);
    at_ += count;
    return taken;
  }

  // An unsigned little-endian number.
  uint64_t take_number(size_t width) {
    uint64_t number = 0;
    const auto taken = take(width);
    for (size_t i = 0; i < width; ++i) number |= static_cast<uint64_t>(taken[i]) << (8 * i);
    return number;
  }

  std::string_view take_text(uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  std::string_view take_line() {
    const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_, bytes_.size() - at_);
    const size_t length = rest.substr(0, kLongestGlobal + 1).find('\n');
    CHECK(length != rest.npos, place(), "the name of a global does not end within ", kLongestGlobal,
          " bytes");
    at_ += length + 1;
    return rest.substr(0, length);
  }

  void push(Kind kind, int64_t number = 0) { stack_.push_back({kind, number}); }

  void push_text(Kind kind, std::string_view value) {
    push(kind, static_cast<int64_t>(pickle_.texts.size()));
    pickle_.texts.push_back(value);
  }

  void push_items(Kind kind, std::vector<PickleValue> values) {
    push(kind, static_cast<int64_t>(pickle_.items.size()));
    pickle_.items.push_back(std::move(values));
  }

  // There must be so many values that no open mark protects.
  void require(size_t count) const {
    const size_t floor = marks_.empty() ? 0 : marks_.back();
    CHECK(stack_.size() - floor >= count, place(), "the pickle uses a value that it has not made");
  }

  std::vector<PickleValue> pop(size_t count) {
    require(count);
    std::vector<PickleValue> values(stack_.end() - static_cast<ptrdiff_t>(count), stack_.end());
    stack_.resize(stack_.size() - count);
    return values;
  }

  std::vector<PickleValue> pop_to_mark() {
    CHECK(!marks_.empty(), place(), "the pickle closes a mark that it has not set");
    std::vector<PickleValue> values = pop(stack_.size() - marks_.back());
    marks_.pop_back();
    return values;
  }

  // The value on top, which stays there.
  PickleValue top() const {
    require(1);
    return stack_.back();
  }

  bool constant(uint8_t code) {
    switch (code) {
      case 0x80: {  // PROTO
        const uint64_t protocol = take_number(1);
        CHECK(protocol >= 2 && protocol <= 5, place(), "pickle protocol ", protocol, ", needed 2 to 5");
        return true;
      }
      case 0x95:  // FRAME: only a hint for readers of streams
        CHECK(take_number(8) <= bytes_.size() - at_, place(), "a frame is longer than what follows");
        return true;
      case 'N':
        return push(Kind::none), true;
      case 0x88:
      case 0x89:
        return push(Kind::boolean, code == 0x88), true;
      case 'J':  // BININT
        return push(Kind::integer, static_cast<int32_t>(take_number(4))), true;
      case 'K':  // BININT1
        return push(Kind::integer, static_cast<int64_t>(take_number(1))), true;
      case 'M':  // BININT2
        return push(Kind::integer, static_cast<int64_t>(take_number(2))), true;
      case 'G':  // BINFLOAT: its value is of no use here
        take(8);
        return push(Kind::real), true;
      default:
        return false;
    }
  }

  bool sized(uint8_t code) {
    switch (code) {
      case 0x8a:  // LONG1
        return push_long(take_text(take_number(1))), true;
      case 'X':  // BINUNICODE
        return push_text(Kind::text, take_text(take_number(4))), true;
      case 0x8c:  // SHORT_BINUNICODE
        return push_text(Kind::text, take_text(take_number(1))), true;
      case 0x8d:  // BINUNICODE8
        return push_text(Kind::text, take_text(take_number(8))), true;
      case 'C':  // SHORT_BINBYTES
        return push_text(Kind::bytes, take_text(take_number(1))), true;
      case 'B':  // BINBYTES
        return push_text(Kind::bytes, take_text(take_number(4))), true;
      default:
        return false;
    }
  }

  void push_long(std::string_view little_endian) {
    if (little_endian.size() > sizeof(int64_t)) return push_text(Kind::long_integer, little_endian);
    uint64_t number = !little_endian.empty() && (little_endian.back() & 0x80) ? ~0ULL : 0;
    std::memcpy(&number, little_endian.data(), little_endian.size());
    push(Kind::integer, static_cast<int64_t>(number));
  }

  bool container(uint8_t code) {
    switch (code) {
      case '(':
        return marks_.push_back(stack_.size()), true;
      case '}':
        return push_items(Kind::dict, {}), true;
      case ']':
        return push_items(Kind::list, {}), true;
      case ')':
        return push_items(Kind::tuple, {}), true;
      case 't':
        return push_items(Kind::tuple, pop_to_mark()), true;
      case 0x85:
      case 0x86:
      case 0x87:
        return push_items(Kind::tuple, pop(code - 0x84u)), true;
      default:
        return false;
    }
  }

  bool addition(uint8_t code) {
    switch (code) {
      case 'a':  // APPEND
        return add(Kind::list, pop(1)), true;
      case 'e':  // APPENDS
        return add(Kind::list, pop_to_mark()), true;
      case 's':  // SETITEM
        return add(Kind::dict, pop(2)), true;
      case 'u':  // SETITEMS
        return add(Kind::dict, pop_to_mark()), true;
      default:
        return false;
    }
  }

  void add(Kind kind, const std::vector<PickleValue>& values) {
    const PickleValue target = top();
    CHECK(target.kind == kind, place(), "items are added to a ", name(target.kind), ", needed a ",
          name(kind));
    CHECK(kind == Kind::list || values.size() % 2 == 0, place(), "a key of a dict has no value");
    auto& items = pickle_.items[static_cast<size_t>(target.number)];
    items.insert(items.end(), values.begin(), values.end());
  }

  bool memo(uint8_t code) {
    switch (code) {
      case 'q':  // BINPUT
        return memo_[take_number(1)] = top(), true;
      case 'r':  // LONG_BINPUT
        return memo_[take_number(4)] = top(), true;
      case 0x94:  // MEMOIZE
        return memo_[memo_.size()] = top(), true;
      case 'h':  // BINGET
        return recall(take_number(1)), true;
      case 'j':  // LONG_BINGET
        return recall(take_number(4)), true;
      default:
        return false;
    }
  }

  void recall(uint64_t index) {
    const auto found = memo_.find(index);
    CHECK(found != memo_.end(), place(), "the pickle recalls value ", index, ", which it has not kept");
    stack_.push_back(found->second);
  }

  bool object(uint8_t code) {
    switch (code) {
      case 'c': {  // GLOBAL
        const std::string_view module = take_line();
        return push_global({module, take_line()}), true;
      }
      case 0x93: {  // STACK_GLOBAL
        const auto names = pop(2);
        CHECK(names[0].kind == Kind::text && names[1].kind == Kind::text, place(),
              "the name of a global is a ", name(names[0].kind), " and a ", name(names[1].kind),
              ", needed two texts");
        return push_global({pickle_.text_of(names[0]), pickle_.text_of(names[1])}), true;
      }
      case 'R':
        return reduce(), true;
      case 'b':
        return build(), true;
      case 'Q':  // BINPERSID
        pickle_.persistents.push_back({pop(1)[0], origin_ + begin_});
        return push(Kind::persistent, static_cast<int64_t>(pickle_.persistents.size() - 1)), true;
      default:
        return false;
    }
  }

  void push_global(const PickleGlobal& global) {
    const bool allowed =
        global == kOrderedDict || std::find(allowed_.begin(), allowed_.end(), global) != allowed_.end();
    CHECK(allowed, place(), "the global ", escaped(text(global.module, '.', global.name)),
          " is not allowed: ", kPickleAdvice);
    push(Kind::global, static_cast<int64_t>(pickle_.globals.size()));
    pickle_.globals.push_back(global);
  }

  void reduce() {
    const auto values = pop(2);
    CHECK(values[0].kind == Kind::global && values[1].kind == Kind::tuple, place(), "a call of a ",
          name(values[0].kind), " with a ", name(values[1].kind), ", needed a global and a tuple");
    if (pickle_.is_global(values[0], kOrderedDict.module, kOrderedDict.name)) {
      CHECK(pickle_.items_of(values[1]).empty(), place(), "an OrderedDict is made of ",
            pickle_.items_of(values[1]).size(), " arguments, needed none");
      return push_items(Kind::dict, {});
    }
    push(Kind::call, static_cast<int64_t>(pickle_.calls.size()));
    pickle_.calls.push_back({values[0], values[1], origin_ + begin_});
  }

  // A state dict's own attributes, say _metadata: versions of modules.
  void build() {
    const PickleValue state = pop(1)[0], target = top();
    CHECK(target.kind == Kind::dict && state.kind == Kind::dict, place(), "attributes (a ", name(state.kind),
          ") of a ", name(target.kind), " are not allowed, only of a dict: ", kPickleAdvice);
  }

  std::span<const uint8_t> bytes_;
  std::span<const PickleGlobal> allowed_;
  const std::string& who_;
  size_t origin_;
  size_t at_ = 0, begin_ = 0;  // the next byte; the current operation's first
  std::vector<PickleValue> stack_;
  std::vector<size_t> marks_;
  // A map: the pickle chooses the indices, up to 2^32.
  std::unordered_map<uint64_t, PickleValue> memo_;
  Pickle pickle_;
};

}  // namespace

Pickle read_pickle(std::span<const uint8_t> bytes, std::span<const PickleGlobal> allowed,
                   const std::string& who, size_t origin) {
  return Machine(bytes, allowed, who, origin).run();
}

}  // namespace lf
