// For tests of archives: zip and tar.gz files of any members.
#pragma once

#include <sys/stat.h>
#include <zip.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "core/check.h"
#include "tests/data/documents/document_input.h"

namespace lf {

// Members as (name, content); a name that ends in "/" is a folder, one with " -> " a link.
using Members = std::vector<std::pair<std::string, std::string>>;

inline void write_zip_archive(const std::string& path, const Members& members) {
  zip_t* archive = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  CHECK(archive, "cannot write ", path);
  for (const auto& [given, content] : members) {
    const size_t link = given.find(" -> ");
    const std::string name = given.substr(0, link);
    const std::string& stored = link == std::string::npos ? content : given;
    if (name.ends_with('/')) {
      zip_dir_add(archive, name.c_str(), 0);
      continue;
    }
    const auto index =
        zip_file_add(archive, name.c_str(), zip_source_buffer(archive, stored.data(), stored.size(), 0), 0);
    CHECK(index >= 0, "cannot add ", name, " to ", path);
    const uint32_t mode = (link == std::string::npos ? S_IFREG : S_IFLNK) | 0644u;
    zip_file_set_external_attributes(archive, static_cast<zip_uint64_t>(index), 0, ZIP_OPSYS_UNIX,
                                     mode << 16);
  }
  CHECK(zip_close(archive) == 0, "cannot write ", path);
}

// The header of a member in a tar archive.
inline std::string tar_header(const std::string& given, size_t size) {
  std::array<char, 512> header = {};
  const size_t link = given.find(" -> ");
  const std::string name = given.substr(0, link),
                    target = link == std::string::npos ? "" : given.substr(link + 4);
  const auto put = [&](size_t at, const std::string& value) {
    std::copy(value.begin(), value.end(), &header[at]);
  };
  const auto octal = [](size_t value, int digits) {
    std::array<char, 24> text = {};
    std::snprintf(text.data(), text.size(), "%0*zo", digits, value);
    return std::string(text.data());
  };
  put(0, name), put(100, "0000644"), put(108, "0000000"), put(116, "0000000");
  put(124, octal(size, 11)), put(136, octal(0, 11)), put(148, "        ");
  put(156, link != std::string::npos ? "2" : name.ends_with('/') ? "5" : "0");
  put(157, target), put(257, "ustar"), put(263, "00");
  size_t sum = 0;
  for (const char byte : header) sum += static_cast<unsigned char>(byte);
  put(148, octal(sum, 6) + '\0');
  return std::string(header.data(), header.size());
}

// Writes an archive of the kind that the path's name tells: .zip, else tar.gz.
inline void write_archive(const std::string& path, const Members& members) {
  if (path.ends_with(".zip")) return write_zip_archive(path, members);
  std::string tar;
  for (const auto& [name, content] : members) {
    tar += tar_header(name, content.size()) + content;
    tar.resize((tar.size() + 511) / 512 * 512);
  }
  write_text(path, gzipped(tar + std::string(1024, '\0')));
}

}  // namespace lf
