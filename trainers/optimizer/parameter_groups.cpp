#include "trainers/optimizer/parameter_groups.h"

#include <algorithm>
#include <utility>

namespace lf {
namespace {

// Adds [begin, end) behind the last part, which it may continue.
void add(std::vector<ParameterGroup::Part>& parts, int64_t begin, int64_t end) {
  if (begin >= end) return;
  if (!parts.empty() && parts.back().end == begin)
    parts.back().end = end;
  else
    parts.push_back({begin, end});
}

// A parameter's place up to the next one's, which what only pads it belongs to.
struct Place {
  int64_t begin, end;
  bool chosen;
};

std::vector<Place> places_of(const ParameterBlock& block,
                             const std::function<bool(const std::string&)>& chosen) {
  std::vector<Place> places;
  for (const PackedParameter& p : block.parameters) places.push_back({p.offset, 0, chosen(p.name)});
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) { return a.begin < b.begin; });
  for (size_t i = 0; i < places.size(); ++i)
    places[i].end = i + 1 < places.size() ? places[i + 1].begin : block.values.elements();
  return places;
}

}  // namespace

std::vector<ParameterGroup> decay_groups(const ParameterBlock& block, double weight_decay) {
  ParameterGroup decaying{"decaying", 1, weight_decay, {}}, others{"others", 1, 0, {}};
  for (const auto& [begin, end, decays] : block.trained)
    (decays ? decaying : others).parts.push_back({begin, end});
  std::vector<ParameterGroup> result;
  for (ParameterGroup& group : std::vector{decaying, others})
    if (!group.parts.empty()) result.push_back(std::move(group));
  return result;
}

std::vector<ParameterGroup> with_rate(const ParameterBlock& block, const std::vector<ParameterGroup>& groups,
                                      const std::string& name, double factor,
                                      const std::function<bool(const std::string&)>& chosen) {
  const std::vector<Place> places = places_of(block, chosen);
  std::vector<ParameterGroup> result;
  for (const ParameterGroup& group : groups) {
    ParameterGroup mine{text(name, ", ", group.name), group.rate_factor * factor, group.weight_decay, {}};
    ParameterGroup rest{group.name, group.rate_factor, group.weight_decay, {}};
    for (const auto& [begin, end] : group.parts) {
      for (const Place& place : places)
        add((place.chosen ? mine : rest).parts, std::max(begin, place.begin), std::min(end, place.end));
    }
    for (ParameterGroup* part : {&rest, &mine})
      if (!part->parts.empty()) result.push_back(std::move(*part));
  }
  return result;
}

}  // namespace lf
