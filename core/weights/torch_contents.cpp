// From calls of _rebuild_tensor_v2 and persistent ids to tensors; see torch_contents.h.
#include "core/weights/torch_contents.h"

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "core/check.h"
#include "core/escaped.h"
#include "core/weights/torch_types.h"

namespace lf {
namespace {

using Kind = PickleKind;

constexpr size_t kMostTensors = 200'000, kLongestName = 512;
constexpr int kDeepest = 32;         // dictionaries within dictionaries
constexpr size_t kLargestRank = 64;  // PyTorch's own limit
// A stride of 0 repeats elements: a small file may describe a tensor of any size. This is allowed to be
// larger than its storage.
constexpr int64_t kLargestRepetition = 64 << 20;
// The entries that hold the model in a training checkpoint, the usual first.
constexpr const char* kWrappers[] = {"state_dict", "model_state_dict", "model"};

// A storage, or a part of one, as a persistent id names it.
struct StorageView {
  std::string key;
  const TorchType* type = nullptr;  // null for bytes of any type
  int64_t storage_bytes = 0, element_bytes = 1;
  int64_t offset = 0, elements = 0;
};

bool multiply(int64_t a, int64_t b, int64_t& product) { return !__builtin_mul_overflow(a, b, &product); }

class Interpreter {
 public:
  Interpreter(const Pickle& pickle, const std::string& who) : pickle_(pickle), who_(who) {}

  TorchContents run() {
    for (const PicklePersistent& persistent : pickle_.persistents) declare(persistent);
    CHECK(pickle_.root.kind == Kind::dict, who_, "holds a ", what(pickle_.root),
          ", needed a dictionary of named tensors (a state dict)");
    collect(unwrap(pickle_.root), "", 0);
    return std::move(contents_);
  }

 private:
  std::string at(size_t byte) const { return text(who_, "byte ", byte, ": "); }

  std::string what(PickleValue value) const { return is_tensor(value) ? "tensor" : name(value.kind); }

  const PickleCall& call_of(PickleValue value) const {
    return pickle_.calls[static_cast<size_t>(value.number)];
  }

  bool calls(PickleValue value, std::string_view function) const {
    return value.kind == Kind::call && pickle_.is_global(call_of(value).function, "torch._utils", function);
  }

  bool is_tensor(PickleValue value) const {
    return value.kind == Kind::call &&
           pickle_.globals[static_cast<size_t>(call_of(value).function.number)].module == "torch._utils";
  }

  const TorchType* type_of(PickleValue global, const char* TorchType::*spelling) const {
    if (global.kind != Kind::global) return nullptr;
    const PickleGlobal& named = pickle_.globals[static_cast<size_t>(global.number)];
    const auto found = std::find_if(std::begin(kTorchTypes), std::end(kTorchTypes), [&](const auto& type) {
      return named.module == "torch" && named.name == type.*spelling;
    });
    return found == std::end(kTorchTypes) ? nullptr : found;
  }

  // ("storage", class, key, device, elements[, view]); view: None or (key, first element, elements).
  StorageView storage_view(const PicklePersistent& persistent) const {
    const std::string place = at(persistent.byte) + "persistent id: ";
    CHECK(persistent.id.kind == Kind::tuple, place, "a ", name(persistent.id.kind), ", needed a tuple");
    const auto& id = pickle_.items_of(persistent.id);
    CHECK(
        (id.size() == 5 || id.size() == 6) && id[0].kind == Kind::text && pickle_.text_of(id[0]) == "storage",
        place, "not one of a storage");
    StorageView view;
    view.type = type_of(id[1], &TorchType::storage);
    CHECK(view.type || pickle_.is_global(id[1], "torch.storage", "UntypedStorage"), place,
          "its second part is no class of storages");
    CHECK(id[2].kind == Kind::text, place, "its key is a ", name(id[2].kind), ", needed a str");
    view.key = pickle_.text_of(id[2]);
    CHECK(!view.key.empty() && view.key.size() <= kLongestName && is_utf8(view.key), place, "the key ",
          escaped(view.key), " cannot name a storage");
    CHECK(id[4].kind == Kind::integer && id[4].number >= 0, place,
          "the number of elements must be an int >= 0");
    view.elements = id[4].number;
    if (view.type) view.element_bytes = view.type->bytes;
    CHECK(multiply(view.elements, view.element_bytes, view.storage_bytes), place, view.elements,
          " elements are too many to exist");
    if (id.size() == 6 && id[5].kind != Kind::none) narrow(view, id[5], place);
    return view;
  }

  // Programs before PyTorch 1.6 wrote views of storages.
  void narrow(StorageView& view, PickleValue part, const std::string& place) const {
    CHECK(part.kind == Kind::tuple && pickle_.items_of(part).size() == 3, place,
          "a view must be None or a tuple of three");
    const auto& items = pickle_.items_of(part);
    const int64_t offset = items[1].number, elements = items[2].number;
    CHECK(items[1].kind == Kind::integer && items[2].kind == Kind::integer && offset >= 0 && elements >= 0 &&
              offset <= view.elements && elements <= view.elements - offset,
          place, "a view does not lie within the ", view.elements, " elements of its storage");
    view.offset = offset;
    view.elements = elements;
  }

  void declare(const PicklePersistent& persistent) {
    const StorageView view = storage_view(persistent);
    const auto [entry, is_new] =
        contents_.storages.try_emplace(view.key, TorchStorage{view.storage_bytes, view.element_bytes});
    CHECK(is_new || entry->second.bytes == view.storage_bytes, at(persistent.byte), "storage ",
          escaped(view.key), " has ", view.storage_bytes, " bytes here and ", entry->second.bytes, " before");
  }

  // Descends to the model's dictionary: while a dictionary has no tensors of its own but a usual wrapper.
  PickleValue unwrap(PickleValue dict) {
    for (int depth = 0; depth < kDeepest; ++depth) {
      const auto& items = pickle_.items_of(dict);
      const char* chosen = nullptr;
      for (size_t i = 0; i < items.size(); i += 2) {
        if (is_tensor(items[i + 1])) return dict;
      }
      PickleValue inner;
      for (const char* wrapper : kWrappers) {
        for (size_t i = 0; i < items.size() && !chosen; i += 2) {
          if (items[i].kind != Kind::text || pickle_.text_of(items[i]) != wrapper) continue;
          if (items[i + 1].kind != Kind::dict) continue;
          chosen = wrapper;
          inner = items[i + 1];
        }
      }
      if (!chosen) return dict;
      contents_.wrapper += (contents_.wrapper.empty() ? "" : ".") + std::string(chosen);
      note_left_out(items, chosen);
      dict = inner;
    }
    throw Error(text(who_, "dictionaries are nested more deeply than ", kDeepest));
  }

  void note_left_out(const std::vector<PickleValue>& items, std::string_view chosen) {
    constexpr size_t kMostNamed = 100;
    for (size_t i = 0; i < items.size() && contents_.left_out.size() < kMostNamed; i += 2) {
      if (items[i].kind != Kind::text || pickle_.text_of(items[i]) == chosen) continue;
      contents_.left_out.push_back(key_of(items[i], ""));
    }
  }

  // A key as part of a name.
  std::string key_of(PickleValue key, const std::string& prefix) const {
    if (key.kind == Kind::integer) return std::to_string(key.number);
    CHECK(key.kind == Kind::text, who_, "a key of dictionary ", escaped(prefix), " is a ", name(key.kind),
          ", needed a str or an int");
    const std::string_view named = pickle_.text_of(key);
    CHECK(named.size() <= kLongestName && is_utf8(named), who_, "the key ", escaped(named),
          " cannot name a tensor");
    return std::string(named);
  }

  // Every tensor of a dictionary and those within it; values that are neither are no weights.
  void collect(PickleValue dict, const std::string& prefix, int depth) {
    CHECK(depth < kDeepest, who_, "dictionaries are nested more deeply than ", kDeepest);
    // Without this, a few dictionaries that hold each other twice would describe 2^n tensors.
    CHECK(visited_.insert(dict.number).second, who_, "the dictionary ", escaped(prefix),
          " also appears under another name");
    const auto& items = pickle_.items_of(dict);
    for (size_t i = 0; i < items.size(); i += 2) {
      const PickleValue value = items[i + 1];
      if (!is_tensor(value) && value.kind != Kind::dict) continue;
      const std::string full = prefix + key_of(items[i], prefix);
      CHECK(full.size() <= kLongestName, who_, "the name ", escaped(full), " is longer than ", kLongestName,
            " bytes");
      if (value.kind == Kind::dict)
        collect(value, full + ".", depth + 1);
      else
        add(full, value);
    }
  }

  void add(const std::string& full, PickleValue value) {
    CHECK(names_.insert(full).second, who_, "two tensors are called ", escaped(full));
    CHECK(contents_.tensors.size() < kMostTensors, who_, "holds more than ", kMostTensors, " tensors");
    while (calls(value, "_rebuild_parameter")) {  // (tensor, requires_grad, hooks)
      const PickleCall& call = call_of(value);
      const auto& arguments = pickle_.items_of(call.arguments);
      CHECK(arguments.size() == 3 && is_tensor(arguments[0]), at(call.byte), "parameter ", escaped(full),
            " is not made of a tensor");
      value = arguments[0];
    }
    contents_.tensors.push_back(tensor(full, call_of(value)));
  }

  // (storage, offset, shape, strides[, requires_grad, hooks[, dtype (v3)][, metadata]])
  TorchTensor tensor(const std::string& full, const PickleCall& call) const {
    const std::string place = text(at(call.byte), "tensor ", escaped(full), ": ");
    const std::string_view function = pickle_.globals[static_cast<size_t>(call.function.number)].name;
    const auto& arguments = pickle_.items_of(call.arguments);
    const bool third = function == "_rebuild_tensor_v3", first = function == "_rebuild_tensor";
    const size_t needed = first ? 4 : third ? 7 : 6;
    CHECK(arguments.size() == needed || (arguments.size() == needed + 1 && !first), place, function,
          " is given ", arguments.size(), " arguments, needed ", needed);
    if (arguments.size() > needed) require_plain(arguments[needed], place);
    CHECK(arguments[0].kind == Kind::persistent, place, "its storage is a ", name(arguments[0].kind));
    const StorageView view = storage_view(pickle_.persistents[static_cast<size_t>(arguments[0].number)]);
    const TorchType* type = third ? type_of(arguments[6], &TorchType::dtype) : view.type;
    CHECK(type, place, "it has no known element type");
    TorchTensor result;
    result.name = full;
    result.stored_dtype = type->stored;
    result.dtype = type->read_as;
    result.element_bytes = type->bytes;
    result.storage = view.key;
    result.shape = Shape(numbers(arguments[2], place + "shape: "));
    result.strides = numbers(arguments[3], place + "strides: ");
    CHECK(arguments[1].kind == Kind::integer && arguments[1].number >= 0, place,
          "its offset must be an int >= 0");
    result.offset = arguments[1].number;
    check_extent(result, view, place);
    const int64_t skipped = view.offset * view.element_bytes;
    CHECK(skipped % result.element_bytes == 0, place, "it begins within an element of its storage");
    result.offset += skipped / result.element_bytes;
    return result;
  }

  // Metadata may say that the stored values are conjugated or negated.
  void require_plain(PickleValue metadata, const std::string& place) const {
    CHECK(metadata.kind == Kind::none || (metadata.kind == Kind::dict && pickle_.items_of(metadata).empty()),
          place, "its values are stored conjugated, negated or otherwise not as they are");
  }

  std::vector<int64_t> numbers(PickleValue value, const std::string& place) const {
    if (calls_size(value)) value = pickle_.items_of(call_of(value).arguments)[0];
    CHECK(value.kind == Kind::tuple || value.kind == Kind::list, place, "a ", name(value.kind),
          ", needed a tuple");
    const auto& items = pickle_.items_of(value);
    CHECK(items.size() <= kLargestRank, place, items.size(), " axes, allowed are ", kLargestRank);
    std::vector<int64_t> result;
    for (const PickleValue item : items) {
      CHECK(item.kind == Kind::integer && item.number >= 0, place,
            "must hold whole numbers >= 0 that fit 64 bits");
      result.push_back(item.number);
    }
    return result;
  }

  // torch.Size((2, 3)).
  bool calls_size(PickleValue value) const {
    return value.kind == Kind::call && pickle_.is_global(call_of(value).function, "torch", "Size") &&
           pickle_.items_of(call_of(value).arguments).size() == 1;
  }

  // Every element must lie within the view, and the tensor must be of a size that can exist.
  static void check_extent(const TorchTensor& tensor, const StorageView& view, const std::string& place) {
    const auto& dims = tensor.shape.dims();
    CHECK(dims.size() == tensor.strides.size(), place, dims.size(), " axes, but ", tensor.strides.size(),
          " strides");
    int64_t elements = 1, bytes = 0, last = tensor.offset;
    bool fits = true, is_empty = std::find(dims.begin(), dims.end(), 0) != dims.end();
    for (size_t axis = 0; axis < dims.size(); ++axis) {
      int64_t span = 0;
      fits = fits && multiply(elements, std::max<int64_t>(dims[axis], 1), elements);
      if (is_empty) continue;
      fits = fits && multiply(dims[axis] - 1, tensor.strides[axis], span) &&
             !__builtin_add_overflow(last, span, &last);
    }
    fits = fits && multiply(elements, std::max<int64_t>(tensor.element_bytes, 4), bytes);
    CHECK(fits, place, "a tensor of shape ", tensor.shape, " is too large to exist");
    if (is_empty) return;
    int64_t begin = 0, end = 0;
    fits = last < std::numeric_limits<int64_t>::max() && multiply(last + 1, tensor.element_bytes, end) &&
           multiply(view.elements, view.element_bytes, begin) && end <= begin;
    CHECK(fits, place, "shape ", tensor.shape, " with strides ", Shape(tensor.strides), " from element ",
          tensor.offset, " reaches beyond its storage ", escaped(view.key), " of ", view.elements,
          " elements");
    CHECK(elements * tensor.element_bytes <= std::max(view.storage_bytes, kLargestRepetition), place,
          "shape ", tensor.shape, " repeats the ", view.elements, " elements of its storage too often");
  }

  const Pickle& pickle_;
  const std::string& who_;
  TorchContents contents_;
  std::set<int64_t> visited_;
  std::set<std::string> names_;
};

}  // namespace

bool TorchTensor::contiguous() const {
  int64_t expected = 1;
  for (size_t axis = strides.size(); axis-- > 0;) {
    const int64_t dim = shape.dims()[axis];
    if (dim == 0) return true;
    if (dim > 1 && strides[axis] != expected) return false;
    expected *= dim;
  }
  return true;
}

TorchContents torch_contents(const Pickle& pickle, const std::string& who) {
  return Interpreter(pickle, who).run();
}

}  // namespace lf
