// Libraries that are looked for when they are first needed, so that the program starts without them.
#pragma once

#include <atomic>
#include <string>
#include <type_traits>
#include <vector>

namespace lf {

// The folder of the running program, links resolved.
std::string program_folder();

// Stays loaded to the process's end.
class LoadedLibrary {
 public:
  // Asks the system's loader for `file` (LD_LIBRARY_PATH counts), then looks in every folder that matches one
  // of `folders`, patterns of glob(7). Otherwise throws an Error of one line: `who` needs the file, where it
  // was looked for, why those that were there could not be loaded, and `remedy`.
  LoadedLibrary(const std::string& who, const std::string& file, const std::vector<std::string>& folders,
                const std::string& remedy);

  template <class Function>
  Function* function(const char* name) const {
    return reinterpret_cast<Function*>(symbol(name));
  }

 private:
  void* symbol(const char* name) const;

  std::string file_;
  void* handle_ = nullptr;
};

// Called like the library's own function of that name; the first call loads the library.
template <const LoadedLibrary& (*Library)(), class Signature>
class LoadedFunction;

template <const LoadedLibrary& (*Library)(), class Result, class... Arguments>
class LoadedFunction<Library, Result(Arguments...)> {
 public:
  explicit LoadedFunction(const char* name) : name_(name) {}

  Result operator()(Arguments... arguments) const {
    Function* function = found_;
    if (!function) found_ = function = Library().template function<Function>(name_);
    return function(arguments...);
  }

 private:
  using Function = Result(Arguments...);
  const char* name_;
  mutable std::atomic<Function*> found_ = nullptr;
};

}  // namespace lf
