// The ways to compute window attention that a configuration can name.
#pragma once

#include <string>
#include <vector>

namespace lf {

// fused: one kernel, O(T window) time and O(T) extra memory. chunks: overlapping blocks, no dilation, about
// twice the ideal memory. loop: one diagonal at a time, dilates, slow. full: all T x T scores.
enum class AttentionImplementation { fused, chunks, loop, full };

inline std::vector<std::string> names_of(AttentionImplementation) {
  return {"fused", "chunks", "loop", "full"};
}

}  // namespace lf
