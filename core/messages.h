// Messages for people, by spdlog: on the console (standard error), where a line of progress may stay below
// them, and in a run's file. Everything goes through one lock, so that nothing tears another line.
#pragma once

#include <cstdio>
#include <string>
#include <vector>

namespace lf::messages {

enum class Level { kDetail, kInfo, kWarning, kError };

// On the console a warning begins with "warning: ", an error with "error: "; the others are as they are.
void detail(const std::string& what);  // shown with --verbose only
void info(const std::string& what);
void warning(const std::string& what);
void warnings(const std::vector<std::string>& list);  // each of them
void error(const std::string& what);

// What the console shows from here on: nothing below `least`. It begins with kInfo. Files have all levels.
void show_from(Level least);
bool shows(Level level);

// From here on everything is appended to this file as well, a line each with time and level, in place of the
// file before. It stays until the program ends, so that it has the error that ended it. Throws Error when it
// cannot be opened; a line that cannot be written is warned of once, on the console.
void also_into(const std::string& path);

// Of several processes only the first says on the console what is below a warning; what the others say there
// begins with "rank N: ". Files have what their own process says.
void set_rank(int rank);
int rank();

// Progress: a line that stays on the console, of level kInfo, and one at its end that is redrawn in place and
// that messages appear above. Files have neither.
void progress_line(const std::string& line);
void draw_live_line(const std::string& line);
// Leaves the live line as it is and continues below it.
void finish_live_line();

// Where the console's lines go: standard error, unless a test has put another stream in its place.
std::FILE* console();
class OtherConsole {
 public:
  explicit OtherConsole(std::FILE* stream);
  ~OtherConsole();
  OtherConsole(const OtherConsole&) = delete;
  OtherConsole& operator=(const OtherConsole&) = delete;

 private:
  std::FILE* before_;
};

}  // namespace lf::messages
