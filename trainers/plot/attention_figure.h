// The Longformer paper's Figure 1 (Beltagy et al. 2020, arXiv:2004.05150): time and memory of the
// implementations of window attention by sequence length, drawn from benchmark results.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace lf {

// Writes the figure. `bench` is a list of {implementation, length, window, forward_ms, backward_ms,
// peak_bytes}; a measurement that could not be made is null. Errors name the entry that is wrong.
void plot_attention_figure(const nlohmann::json& bench, const std::string& out_svg);

}  // namespace lf
