// The allow-list; see torch_types.h.
#include "core/weights/torch_types.h"

#include <vector>

namespace lf {
namespace {

std::vector<PickleGlobal> make_globals() {
  std::vector<PickleGlobal> globals = {
      {"torch._utils", "_rebuild_tensor"},    {"torch._utils", "_rebuild_tensor_v2"},
      {"torch._utils", "_rebuild_tensor_v3"}, {"torch._utils", "_rebuild_parameter"},
      {"torch.storage", "UntypedStorage"},    {"torch", "Size"}};
  for (const TorchType& type : kTorchTypes) {
    if (*type.storage) globals.push_back({"torch", type.storage});
    globals.push_back({"torch", type.dtype});
  }
  return globals;
}

}  // namespace

std::span<const PickleGlobal> torch_globals() {
  static const std::vector<PickleGlobal> globals = make_globals();
  return globals;
}

}  // namespace lf
