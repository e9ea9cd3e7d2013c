// Where the tests find what they need.
#pragma once

#include <string>

namespace lf {

std::string source_path(const std::string& name);  // of the repository's file or folder, as an absolute path
std::string program_path();                        // of the program under test

}  // namespace lf
