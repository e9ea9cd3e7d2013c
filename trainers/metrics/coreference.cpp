#include "trainers/metrics/coreference.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "core/check.h"
#include "trainers/metrics/assignment.h"
#include "trainers/metrics/ratio.h"

namespace lf {
namespace {

constexpr size_t kNoCluster = static_cast<size_t>(-1);

double pairs_of(double mentions) { return mentions * (mentions - 1) / 2; }

// Clusters of one side, and how many mentions each shares with each of the other side's.
class SharedMentions {
 public:
  SharedMentions(const std::vector<Cluster>& own, const std::vector<Cluster>& others) : own_(own) {
    std::map<Mention, size_t> cluster_of;
    for (size_t j = 0; j < others.size(); ++j) {
      for (const Mention& mention : others[j])
        CHECK(cluster_of.emplace(mention, j).second, "coreference: the mention of the words ", mention.begin,
              " to ", mention.end, " is there twice");
    }
    for (const Cluster& cluster : own) {
      std::map<size_t, double>& shared = shared_.emplace_back();
      for (const Mention& mention : cluster) {
        const auto found = cluster_of.find(mention);
        ++shared[found == cluster_of.end() ? kNoCluster : found->second];
      }
    }
  }

  size_t clusters() const { return own_.size(); }
  double size(size_t i) const { return static_cast<double>(own_[i].size()); }
  // By the other side's cluster, kNoCluster for mentions that are in none.
  const std::map<size_t, double>& shared(size_t i) const { return shared_[i]; }

  double mentions() const {
    double sum = 0;
    for (const Cluster& cluster : own_) sum += static_cast<double>(cluster.size());
    return sum;
  }
  double found_mentions() const {
    return sum([](double count, double) { return count; });
  }
  // Links of a spanning tree of each cluster that the other side has, too.
  double tree_links() const {
    double links = 0;
    for (size_t i = 0; i < clusters(); ++i) {
      double parts = 0;
      for (const auto& [other, count] : shared_[i]) parts += other == kNoCluster ? count : 1;
      links += size(i) - parts;
    }
    return links;
  }
  double tree_size() const { return mentions() - static_cast<double>(clusters()); }
  double b_cubed() const {
    return sum([](double count, double size) { return count * count / size; });
  }
  double links() const {
    return sum([](double count, double) { return pairs_of(count); });
  }
  double all_links() const {
    double links = 0;
    for (size_t i = 0; i < clusters(); ++i) links += pairs_of(size(i));
    return links;
  }
  // Of a singleton the link is that to itself, which a singleton of the other side has as well.
  double lea(const std::vector<Cluster>& others) const {
    double result = 0;
    for (size_t i = 0; i < clusters(); ++i) {
      double right = 0;
      for (const auto& [other, count] : shared_[i]) {
        if (other == kNoCluster) continue;
        right += size(i) > 1 ? pairs_of(count) / pairs_of(size(i)) : others[other].size() == 1;
      }
      result += size(i) * right;
    }
    return result;
  }

 private:
  // Over all pairs of clusters that share mentions.
  template <class Term>
  double sum(const Term& term) const {
    double result = 0;
    for (size_t i = 0; i < clusters(); ++i) {
      for (const auto& [other, count] : shared_[i])
        if (other != kNoCluster) result += term(count, size(i));
    }
    return result;
  }

  const std::vector<Cluster>& own_;
  std::vector<std::map<size_t, double>> shared_;
};

enum class Similarity { mentions, share };

// The most that a one-to-one assignment of clusters has in common.
double common(const SharedMentions& key, const std::vector<Cluster>& response, Similarity similarity) {
  std::vector<std::vector<double>> weights;
  for (size_t i = 0; i < key.clusters(); ++i) {
    std::vector<double>& row = weights.emplace_back(response.size(), 0.0);
    for (const auto& [j, count] : key.shared(i)) {
      if (j == kNoCluster) continue;
      const double sizes = key.size(i) + static_cast<double>(response[j].size());
      row[j] = similarity == Similarity::mentions ? count : 2 * count / sizes;
    }
  }
  return best_assignment(weights);
}

CoreferenceScore ratios_of(double key_right, double key, double response_right, double response) {
  const double recall = ratio(key_right, key), precision = ratio(response_right, response);
  return {recall, precision, harmonic_mean(recall, precision)};
}

}  // namespace

void CoreferenceScores::add(const std::vector<Cluster>& key, const std::vector<Cluster>& response) {
  const SharedMentions wanted(key, response), told(response, key);
  const auto count = [&](CoreferenceMetric metric, double key_right, double of_key, double response_right,
                         double of_response) {
    Counts& counts = of(metric);
    counts.key_right += key_right;
    counts.key += of_key;
    counts.response_right += response_right;
    counts.response += of_response;
  };
  using enum CoreferenceMetric;
  const double found = wanted.found_mentions();
  count(mentions, found, wanted.mentions(), found, told.mentions());
  count(muc, wanted.tree_links(), wanted.tree_size(), told.tree_links(), told.tree_size());
  count(b_cubed, wanted.b_cubed(), wanted.mentions(), told.b_cubed(), told.mentions());
  const double same = common(wanted, response, Similarity::mentions);
  count(ceafm, same, wanted.mentions(), same, told.mentions());
  const double alike = common(wanted, response, Similarity::share);
  count(ceafe, alike, static_cast<double>(key.size()), alike, static_cast<double>(response.size()));
  count(lea, wanted.lea(response), wanted.mentions(), told.lea(key), told.mentions());
  // Pairs of mentions that both sides have, and those of them that corefer on one side and on both.
  const double links = wanted.links();
  count(blanc, links, wanted.all_links(), links, told.all_links());
  double key_links = 0, response_links = 0;
  for (const auto& [side, sum] : {std::pair(&wanted, &key_links), std::pair(&told, &response_links)}) {
    for (size_t i = 0; i < side->clusters(); ++i) {
      double both = 0;
      for (const auto& [other, shared] : side->shared(i)) both += other == kNoCluster ? 0 : shared;
      *sum += pairs_of(both);
    }
  }
  const double neither = pairs_of(found) - key_links - response_links + links;
  other_links_.key_right += neither;
  other_links_.key += pairs_of(wanted.mentions()) - wanted.all_links();
  other_links_.response_right += neither;
  other_links_.response += pairs_of(told.mentions()) - told.all_links();
}

CoreferenceScore CoreferenceScores::score(CoreferenceMetric metric) const {
  if (metric == CoreferenceMetric::blanc) return blanc();
  const Counts& counts = counts_[static_cast<size_t>(metric)];
  return ratios_of(counts.key_right, counts.key, counts.response_right, counts.response);
}

// The mean of what is told of pairs that corefer and of pairs that do not; of a key that has one kind only,
// what is told of these.
CoreferenceScore CoreferenceScores::blanc() const {
  const Counts& links = counts_[static_cast<size_t>(CoreferenceMetric::blanc)];
  const CoreferenceScore same = ratios_of(links.key_right, links.key, links.response_right, links.response);
  const CoreferenceScore other =
      ratios_of(other_links_.key_right, other_links_.key, other_links_.response_right, other_links_.response);
  if (other_links_.key == 0) return same;
  if (links.key == 0) return other;
  return {(same.recall + other.recall) / 2, (same.precision + other.precision) / 2, (same.f1 + other.f1) / 2};
}

double CoreferenceScores::conll() const {
  return (score(CoreferenceMetric::muc).f1 + score(CoreferenceMetric::b_cubed).f1 +
          score(CoreferenceMetric::ceafe).f1) /
         3;
}

}  // namespace lf
