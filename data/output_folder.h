// Whether a corpus may be prepared in a folder: not where a run or another corpus would be damaged.
#pragma once

#include <string>
#include <vector>

namespace lf {

// Throws UsageError when the folder holds a run.
void check_holds_no_run(const std::string& folder);

// Throws UsageError when the folder holds a run, or a corpus made of none of the sources with these SHA-256.
// A description that cannot be read is no obstacle: preparing again is how it is mended.
void check_output_folder(const std::string& folder, const std::vector<std::string>& sources_sha256);

}  // namespace lf
