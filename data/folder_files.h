// The files below a folder, as readers of whole folders take them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace lf {

// The files below the folder in the order of their names' bytes, links included: every folder once, however
// many links lead to it, and of several links to a file one. Hidden files and folders (see is_hidden_name),
// broken links, and links to what is read anyway go into `left_out`, named relative to the folder. Throws
// Error naming a folder that cannot be read.
std::vector<std::filesystem::path> files_below(const std::string& folder, std::vector<std::string>& left_out);

}  // namespace lf
