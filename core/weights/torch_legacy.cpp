// Walks the five pickles and the storages behind them; see torch_legacy.h.
#include "core/weights/torch_legacy.h"

#include <cstring>

#include "core/check.h"
#include "core/escaped.h"
#include "core/weights/torch_types.h"

namespace lf {
namespace {

using Kind = PickleKind;

constexpr uint8_t kMagic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
constexpr int64_t kProtocol = 1001;

class LegacyReader {
 public:
  LegacyReader(std::span<const uint8_t> file, const std::string& path) : file_(file), path_(path) {}

  TorchLegacy read() {
    check_magic();
    const Pickle protocol = next("its protocol: ");
    CHECK(protocol.root.kind == Kind::integer && protocol.root.number == kProtocol, path_,
          ": PyTorch file protocol ", protocol.root.number, ", needed ", kProtocol);
    check_byte_order(next("its system: "));
    TorchLegacy result;
    {
      const Pickle objects = next("");
      result.contents = torch_contents(objects, path_ + ": ");
    }
    read_storages(next("its list of storages: "), result);
    CHECK(at_ == file_.size(), path_, ": ", file_.size() - at_,
          " bytes after the last storage belong to nothing");
    return result;
  }

 private:
  Pickle next(const char* part) {
    Pickle pickle = read_pickle(file_.subspan(at_), torch_globals(), path_ + ": " + part, at_);
    at_ += pickle.bytes;
    return pickle;
  }

  void check_magic() {
    bool is_magic = false;
    try {
      const Pickle magic = next("");
      is_magic =
          magic.root.kind == Kind::long_integer &&
          magic.text_of(magic.root) == std::string_view(reinterpret_cast<const char*>(kMagic), sizeof kMagic);
    } catch (const Error&) {
      // Whatever it is, it is not the number.
    }
    CHECK(is_magic, path_, ": not a PyTorch checkpoint: neither a zip archive nor begun by PyTorch's number");
  }

  void check_byte_order(const Pickle& system) const {
    CHECK(system.root.kind == Kind::dict, path_, ": its system is not described by a dictionary");
    const auto& items = system.items_of(system.root);
    for (size_t i = 0; i < items.size(); i += 2) {
      if (items[i].kind != Kind::text || system.text_of(items[i]) != "little_endian") continue;
      CHECK(items[i + 1].kind == Kind::boolean && items[i + 1].number == 1, path_,
            ": written on a big-endian machine, needed little-endian");
    }
  }

  void read_storages(const Pickle& keys, TorchLegacy& result) {
    CHECK(keys.root.kind == Kind::list, path_, ": its storages are not listed");
    for (const PickleValue item : keys.items_of(keys.root)) {
      CHECK(item.kind == Kind::text, path_, ": the key of a storage is a ", name(item.kind),
            ", needed a str");
      const std::string key(keys.text_of(item));
      const auto declared = result.contents.storages.find(key);
      CHECK(declared != result.contents.storages.end(), path_, ": storage ", escaped(key),
            " belongs to no tensor");
      const bool is_new = result.storages.emplace(key, read_storage(key, declared->second)).second;
      CHECK(is_new, path_, ": storage ", escaped(key), " is listed twice");
    }
    for (const auto& [key, unused] : result.contents.storages)
      CHECK(result.storages.contains(key), path_, ": storage ", escaped(key), " is not in the file");
  }

  std::span<const uint8_t> read_storage(const std::string& key, const TorchStorage& declared) {
    int64_t elements = 0;
    CHECK(file_.size() - at_ >= sizeof elements, path_, ": the file ends before storage ", escaped(key),
          " (truncated?)");
    std::memcpy(&elements, file_.data() + at_, sizeof elements);
    at_ += sizeof elements;
    CHECK(elements == declared.bytes / declared.element_bytes, path_, ": storage ", escaped(key), " has ",
          elements, " elements, its tensors need ", declared.bytes / declared.element_bytes);
    const auto bytes = static_cast<size_t>(declared.bytes);
    CHECK(bytes <= file_.size() - at_, path_, ": storage ", escaped(key), " has ", bytes, " bytes, but only ",
          file_.size() - at_, " follow (truncated?)");
    const auto storage = file_.subspan(at_, bytes);
    at_ += bytes;
    return storage;
  }

  std::span<const uint8_t> file_;
  const std::string& path_;
  size_t at_ = 0;
};

}  // namespace

TorchLegacy parse_torch_legacy(std::span<const uint8_t> file, const std::string& path) {
  return LegacyReader(file, path).read();
}

}  // namespace lf
