// For tests of archives: zip and tar.gz files of any members.
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include <string>
#include <utility>
#include <vector>

#include "core/check.h"

namespace lf {

// Members as (name, content); a name that ends in "/" is a folder, one with " -> " a link.
using Members = std::vector<std::pair<std::string, std::string>>;

// Writes an archive of the kind that the path's name tells: .zip, else tar.gz.
inline void write_archive(const std::string& path, const Members& members) {
  archive* out = archive_write_new();
  if (path.ends_with(".zip")) {
    archive_write_set_format_zip(out);
  } else {
    archive_write_add_filter_gzip(out);
    archive_write_set_format_gnutar(out);
  }
  CHECK(archive_write_open_filename(out, path.c_str()) == ARCHIVE_OK, "cannot write ", path);
  for (const auto& [name, content] : members) {
    archive_entry* entry = archive_entry_new();
    const size_t link = name.find(" -> ");
    archive_entry_set_pathname(entry, name.substr(0, link).c_str());
    archive_entry_set_filetype(entry, name.ends_with('/') ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    if (link != std::string::npos) {
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, name.substr(link + 4).c_str());
    }
    CHECK(archive_write_header(out, entry) >= ARCHIVE_WARN, "cannot write ", path);
    if (!content.empty()) archive_write_data(out, content.data(), content.size());
    archive_entry_free(entry);
  }
  CHECK(archive_write_close(out) == ARCHIVE_OK, "cannot write ", path);
  archive_write_free(out);
}

}  // namespace lf
