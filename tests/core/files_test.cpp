// Files end up whole or absent, errors name path and cause, hashes equal published values.
#include "core/files.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cerrno>
#include <numeric>
#include <utility>

#include "core/hash.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

std::span<const uint8_t> bytes_of(std::string_view content) {
  return {reinterpret_cast<const uint8_t*>(content.data()), content.size()};
}

// Makes writing beyond a size fail with EFBIG, the nearest to a full disk that needs no disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : old_handler_(::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit = {.rlim_cur = bytes, .rlim_max = old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    ::signal(SIGXFSZ, old_handler_);
  }

 private:
  sighandler_t old_handler_;
  rlimit old_ = {};
};

TEST(Files, AtomicWriteReplacesAndLeavesNothingElse) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "first");
  write_file_atomically(folder / "a", "second, longer");
  EXPECT_EQ(read_file(folder / "a"), "second, longer");
  write_file_atomically(folder / "empty", "");
  EXPECT_EQ(read_file(folder / "empty"), "");
  EXPECT_EQ(entries(folder.path()), (std::vector<std::string>{"a", "empty"}));
}

TEST(Files, UncommittedFileVanishesAndTheOldOneStays) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  {
    AtomicFile file(folder / "a");
    file.write("new");
    EXPECT_EQ(read_file(folder / "a"), "old");
    EXPECT_EQ(read_file(file.temporary_path()), "new");
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(entries(folder.path()), std::vector<std::string>{"a"});
}

TEST(Files, MovedFileIsRemovedOnce) {
  const TemporaryFolder folder;
  {
    AtomicFile first(folder / "a");
    first.write("x");
    AtomicFile second(std::move(first));
    second.write("y");
    second.commit();
    EXPECT_ERROR(second.write("z"), "already committed");
    EXPECT_ERROR(second.commit(), "already committed");
  }
  EXPECT_EQ(read_file(folder / "a"), "xy");
}

TEST(Files, TwoWritersOfOneFileDoNotMix) {
  const TemporaryFolder folder;
  AtomicFile first(folder / "a");
  AtomicFile second(folder / "a");
  first.write("1111");
  second.write("22");
  first.commit();
  EXPECT_EQ(read_file(folder / "a"), "1111");
  second.commit();
  EXPECT_EQ(read_file(folder / "a"), "22");
}

TEST(Files, OverwriteStaysWithinWhatWasWritten) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "a");
  file.write("abcdef");
  file.overwrite(2, bytes_of("XY"));
  EXPECT_ERROR(file.overwrite(5, bytes_of("XY")), "do not lie within the 6 bytes");
  EXPECT_ERROR(file.overwrite(-1, bytes_of("X")), "do not lie within");
  file.write("g");
  file.commit();
  EXPECT_EQ(read_file(folder / "a"), "abXYefg");
}

TEST(Files, ErrorsNameThePathAndTheCause) {
  const TemporaryFolder folder;
  EXPECT_ERROR(MappedFile(folder / "absent"),
               "cannot open " + (folder / "absent") + ": No such file or directory (ENOENT)");
  EXPECT_ERROR(MappedFile(folder.path()), folder.path() + " is a folder, needed a file");
  EXPECT_ERROR(MappedFile("/dev/null"), "/dev/null is a pipe or a device");
  EXPECT_ERROR(AtomicFile(folder / "no/such"),
               "cannot create " + (folder / "no/such") + ": No such file or directory");
  EXPECT_ERROR(AtomicFile(folder.path()), "a folder of that name is in the way");
  write_file_atomically(folder / "file", "x");
  EXPECT_ERROR(create_folders(folder / "file/sub"), "(ENOTDIR)");
  EXPECT_ERROR(create_folders(folder / "file"),
               "cannot create the folder " + (folder / "file") + ": Not a directory");
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_ERROR(MappedFile(folder / "pipe"), "is a pipe or a device");
}

TEST(Files, RightsAreReported) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "secret", "x");
  ::chmod((folder / "secret").c_str(), 0);
  create_folders(folder / "locked");
  ::chmod((folder / "locked").c_str(), 0555);
  const WithoutPrivileges ordinary_user;
  EXPECT_ERROR(MappedFile(folder / "secret"), "Permission denied (EACCES); check the owner and rights");
  EXPECT_ERROR(AtomicFile(folder / "locked/a"),
               "cannot create " + (folder / "locked/a") + ": Permission denied (EACCES)");
}

TEST(Files, FailedWriteKeepsTheOldFile) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "old");
  {
    const FileSizeLimit limit(1000);
    EXPECT_ERROR(write_file_atomically(folder / "a", std::string(5000, 'x')),
                 "cannot write " + (folder / "a") + ": File too large (EFBIG)");
  }
  EXPECT_EQ(read_file(folder / "a"), "old");
  EXPECT_EQ(entries(folder.path()), std::vector<std::string>{"a"});
}

TEST(Files, FullDiskIsExplained) {
  EXPECT_ERROR(throw_file_error("write", "x", ENOSPC), "No space left on device (ENOSPC); the disk is full");
}

TEST(Files, MappedFileMoves) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "a", "hello");
  MappedFile first(folder / "a");
  MappedFile second(std::move(first));
  EXPECT_TRUE(first.bytes().empty());
  EXPECT_EQ(second.bytes()[4], 'o');
  second = MappedFile(folder / "a");
  EXPECT_EQ(second.bytes().size(), 5u);
}

TEST(Files, CreateFolders) {
  const TemporaryFolder folder;
  EXPECT_TRUE(create_folders(folder / "x/y/z"));
  EXPECT_FALSE(create_folders(folder / "x/y/z"));
}

TEST(Hash, EqualsPublishedValues) {
  // The empty message and "abc": RFC 1321, FIPS 180; XXH3-128 of nothing is in xxHash's own documentation.
  EXPECT_EQ(digest(Digest::kMd5, bytes_of("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(digest(Digest::kSha1, bytes_of("abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
  EXPECT_EQ(digest(Digest::kSha256, bytes_of("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(digest(Digest::kSha256, {}), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(content_hash({}), "99aa06d3014798d86001c324468d497f");
}

TEST(Hash, PiecesAndFilesGiveTheSameHash) {
  std::vector<uint8_t> bytes(3000);
  std::iota(bytes.begin(), bytes.end(), 0);
  const std::span<const uint8_t> all(bytes);
  ContentHash pieces;
  pieces.update(all.first(1));
  pieces.update({});
  pieces.update(all.subspan(1, 1023));
  pieces.update(all.subspan(1024));
  EXPECT_EQ(pieces.hex(), content_hash(all));
  EXPECT_EQ(ContentHash().hex(), content_hash({}));

  const TemporaryFolder folder;
  write_file_atomically(folder / "a", {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
  EXPECT_EQ(content_hash_of_file(folder / "a").hash, content_hash(all));
  EXPECT_EQ(digest_of_file(Digest::kSha1, folder / "a"), digest(Digest::kSha1, all));
  bytes[2000] ^= 1;
  EXPECT_NE(content_hash(bytes), pieces.hex());
}

}  // namespace
}  // namespace lf
