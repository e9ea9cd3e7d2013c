// Files and folders on their way to their final name. Each is held by a lock that ends with its process, so
// that what a killed one left behind can be told from what another is still writing: whoever next writes the
// same target removes the first and leaves the second alone.
#pragma once

#include <string>

namespace lf {

// A file or folder PATH.partial.PID.N, empty and locked.
class PartialPath {
 public:
  enum class Kind { kFile, kFolder };

  // Removes what killed processes left for the same target. The target's folder must exist.
  PartialPath(const std::string& target, Kind kind);
  // Removes the file or the folder with all in it, unless it was published.
  ~PartialPath();
  PartialPath(PartialPath&& other) noexcept;
  PartialPath& operator=(PartialPath&&) = delete;

  // Renames it to the target. The caller syncs what is in it before and the target's folder after.
  void publish();

  const std::string& path() const { return path_; }
  // Of a file, open for reading and writing; of a folder, for reading. -1 once published.
  int descriptor() const { return descriptor_; }

 private:
  std::string target_, path_;
  int descriptor_ = -1;
};

// A folder held for this process alone, as long as the object lives. Where the file system has no locks, it
// is not.
class FolderLock {
 public:
  // Throws Error "FOLDER: another process is DOING here; let it finish".
  FolderLock(const std::string& folder, const std::string& doing);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_;
};

// Removes what killed processes left of files and folders on their way to that target.
void remove_abandoned_partials(const std::string& target);

}  // namespace lf
