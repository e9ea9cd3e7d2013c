// What stands at a path, and what std::filesystem says of it in the words of files.h.
#pragma once

#include <filesystem>
#include <string>

namespace lf {

// "cannot use PATH: system text (ENAME)", with advice where the user can act.
std::string explained(const std::filesystem::filesystem_error& error);

// The system's folder for temporary files; throws Error that names TMPDIR where there is none.
std::filesystem::path temporary_folder();

// Whether the folder has an entry of that name: also a link that leads nowhere, so that opening it can say
// so.
bool is_there(const std::string& path);

// "a link to X, which does not exist" where the path is a link; "" for anything else.
std::string broken_link(const std::string& path);

// "PATH does not exist", or what the link that stands there leads to; "" where there is a file or folder.
std::string absence(const std::string& path);

// Throws Error with these words where there is no file and no folder.
void check_exists(const std::string& path);

// Whether a symbolic link stands there, wherever it leads.
bool is_link(const std::string& path);

}  // namespace lf
