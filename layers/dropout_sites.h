// The places of a model that drop elements, by number: each draws bits of its own.
#pragma once

#include <cstdint>

namespace lf {

// Below it are the numbers of the places outside layers.
inline constexpr uint32_t kFirstLayerSite = 8;

// The number of a layer's place; `Site` is an enum of at most four.
template <class Site>
uint32_t layer_site(int64_t layer, Site site) {
  constexpr uint32_t kSitesPerLayer = 4;
  return kFirstLayerSite + kSitesPerLayer * static_cast<uint32_t>(layer) + static_cast<uint32_t>(site);
}

}  // namespace lf
