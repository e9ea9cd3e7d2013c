// Archives: what is in them in order, and every way in which one can be damaged.
#include <iterator>

#include "data/archive.h"

#include "core/files.h"
#include "data/byte_source.h"
#include "tests/data/archive_input.h"
#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

Members members_of(const std::string& path) {
  Members members;
  ArchiveReader archive(path);
  while (archive.next()) {
    const std::string name = archive.name();
    members.emplace_back(name, archive.read_rest(1 << 24));
  }
  return members;
}

// The only file of an archive.
std::string content_of(const std::string& path) {
  ByteSource source(path);
  std::string content;
  for (size_t size = 1; size > 0;) {
    uint8_t piece[777];
    size = source.read(piece);
    content.append(reinterpret_cast<const char*>(piece), size);
  }
  EXPECT_GT(source.bytes_read(), 0);
  return content;
}

class Archives : public testing::TestWithParam<std::string> {
 protected:
  std::string write(const std::string& name, const Members& members) {
    const std::string path = folder_ / name + GetParam();
    write_archive(path, members);
    return path;
  }
  std::string damaged(const std::string& path, size_t at, char bits) {
    std::string bytes = read_file(path);
    bytes.at(at) = static_cast<char>(bytes.at(at) ^ bits);
    const std::string other = folder_ / "damaged" + GetParam();
    write_text(other, bytes);
    return other;
  }
  const TemporaryFolder folder_;
};

TEST_P(Archives, FilesComeInOrderWithTheirFolders) {
  const std::string long_text = prose(600'000, 3);
  const Members files = {
      {"a/one.txt", "one"}, {"a/b/empty", ""}, {"two \xC3\xA9.txt", long_text}, {"z", "z"}};
  Members members = files;
  members.insert(members.begin() + 1, {"a/b/", ""});
  const std::string path = write("all", members);
  EXPECT_EQ(members_of(path), files);
  // A file that is not read, or not to its end, is passed over.
  ArchiveReader archive(path);
  ASSERT_TRUE(archive.next() && archive.next() && archive.next());
  EXPECT_EQ(archive.size(), std::ssize(long_text));
  uint8_t begin[3];
  EXPECT_EQ(archive.read(begin), 3u);
  ASSERT_TRUE(archive.next());
  EXPECT_EQ(archive.name(), "z");
  EXPECT_FALSE(archive.next());
  const auto packed = std::ssize(read_file(path));
  EXPECT_LE(archive.bytes_read(), packed);
  EXPECT_GT(archive.bytes_read(), packed - 1000) << "a zip archive's directory may not count";
}

TEST_P(Archives, TheOnlyFileIsASource) {
  const std::string content = prose(300'000, 4);
  EXPECT_TRUE(content_of(write("one", {{"folder/", ""}, {"folder/file", content}})) == content);
  EXPECT_ERROR(content_of(write("two", {{"one", "a"}, {"two", "b"}})),
               "archive must hold exactly one file, it holds 2 (one, two)");
  EXPECT_ERROR(content_of(write("none", {{"folder/", ""}})), "must hold exactly one file, it holds 0");
}

TEST_P(Archives, DamageIsFound) {
  const std::string path = write("good", {{"first", prose(40'000, 5)}, {"second", prose(40'000, 6)}});
  const std::string bytes = read_file(path);
  EXPECT_EQ(members_of(path).size(), 2u);
  for (const size_t size : {bytes.size() / 3, bytes.size() - 30, bytes.size() - 1}) {
    write_text(folder_ / "cut" + GetParam(), bytes.substr(0, size));
    EXPECT_NE(error_of([&] { members_of(folder_ / "cut" + GetParam()); }), "") << size;
  }
  for (size_t at = bytes.size() / 8; at < bytes.size() / 8 * 7; at += 997)
    EXPECT_NE(error_of([&] { members_of(damaged(path, at, 4)); }), "") << at;
  write_text(folder_ / "text" + GetParam(), "plain text");
  EXPECT_ERROR(members_of(folder_ / "text" + GetParam()), "text" + GetParam() + ": not ");
  write_text(folder_ / "empty" + GetParam(), "");
  EXPECT_ERROR(members_of(folder_ / "empty" + GetParam()), "empty" + GetParam() + ": not ");
  EXPECT_ERROR(members_of(folder_ / "absent" + GetParam()), "No such file or directory");
}

TEST_P(Archives, NamesAreFitToBeShown) {
  EXPECT_ERROR(members_of(write("odd", {{"a\x1b[2J", "text"}})),
               "the member \"a\\u001b[2J\" has control characters in its name");
}

TEST_P(Archives, LinksAndLongMembersAreRefused) {
  EXPECT_ERROR(members_of(write("link", {{"file", "a"}, {"other -> /etc/passwd", ""}})),
               "member other is a link or a device, needed files only");
  const std::string path = write("long", {{"file", std::string(1000, 'a')}});
  ArchiveReader archive(path);
  ASSERT_TRUE(archive.next());
  EXPECT_ERROR(archive.read_rest(999), "member file has 1000 bytes, more than the 999 that are read");
}

INSTANTIATE_TEST_SUITE_P(, Archives, testing::Values(".zip", ".tar.gz"),
                         [](const auto& kind) { return kind.param == ".zip" ? "Zip" : "TarGz"; });

// The first of the flags in both headers of a member (APPNOTE.TXT, 4.4.4).
TEST(ArchiveMembers, ThatAreEncryptedAreNamed) {
  const TemporaryFolder folder;
  write_archive(folder / "secret.zip", {{"file", "a text of some length"}});
  std::string bytes = read_file(folder / "secret.zip");
  bytes.at(6) |= 1;
  bytes.at(bytes.find("PK\x01\x02") + 8) |= 1;
  write_text(folder / "secret.zip", bytes);
  EXPECT_ERROR(members_of(folder / "secret.zip"),
               "member file is encrypted; unpack it with its password first");
}

TEST(ArchiveNames, TellTheKind) {
  for (const char* name : {"a.zip", "A.ZIP", "a.tar.gz", "b/a.tgz"})
    EXPECT_TRUE(is_archive_name(name)) << name;
  for (const char* name : {"a.gz", "zip", "a.zip.txt", "", "tar.gz"})
    EXPECT_FALSE(is_archive_name(name)) << name;
}

// Written by Python, which marks names as UTF-8.
constexpr char kNamedInUtf8[] =
    "\x50\x4B\x03\x04\x14\x00\x00\x08\x08\x00\xEE\x6C\x7D\x5D\xAC\x2A\x93\xD8\x04\x00\x00\x00\x02\x00"
    "\x00\x00\x09\x00\x00\x00\xC3\xA9\x2F\xC3\xBC\x2E\x74\x78\x74\xCB\xC8\x04\x00\x50\x4B\x01\x02\x14"
    "\x03\x14\x00\x00\x08\x08\x00\xEE\x6C\x7D\x5D\xAC\x2A\x93\xD8\x04\x00\x00\x00\x02\x00\x00\x00\x09"
    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x01\x00\x00\x00\x00\xC3\xA9\x2F\xC3\xBC\x2E\x74"
    "\x78\x74\x50\x4B\x05\x06\x00\x00\x00\x00\x01\x00\x01\x00\x37\x00\x00\x00\x2B\x00\x00\x00\x00\x00";

TEST(ArchiveNames, MayBeUtf8InAnyLocale) {
  const TemporaryFolder folder;
  write_text(folder / "a.zip", std::string(kNamedInUtf8, sizeof(kNamedInUtf8) - 1));
  EXPECT_EQ(members_of(folder / "a.zip"), (Members{{"\xC3\xA9/\xC3\xBC.txt", "hi"}}));
}

TEST(ArchiveChecksums, OfTarGzAreCompared) {
  const TemporaryFolder folder;
  write_archive(folder / "a.tar.gz", {{"file", "content"}});
  std::string bytes = read_file(folder / "a.tar.gz");
  bytes[bytes.size() - 6] ^= 4;
  write_text(folder / "b.tar.gz", bytes);
  EXPECT_ERROR(members_of(folder / "b.tar.gz"), "damaged gzip data");
  write_text(folder / "c.tar.gz", read_file(folder / "a.tar.gz") + "garbage");
  EXPECT_ERROR(members_of(folder / "c.tar.gz"), "bytes behind the gzip data that are none");
}

}  // namespace
}  // namespace lf
