// Corpora that cannot be prepared: a clear error, and nothing left behind, for every bad source and output.
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/files.h"
#include "data/characters/corpus.h"
#include "tests/data/archive_input.h"
#include "tests/data/characters/corpus_input.h"
#include "tests/data/documents/document_input.h"
#include "tests/temporary_folder.h"

namespace lf {
namespace {

TEST(CorpusErrors, BadArchivesAreExplained) {
  const TemporaryFolder folder;
  write_archive(folder / "good.zip", {{"text8", letters(50'000)}});
  const std::string archive = read_file(folder / "good.zip");
  const auto fails = [&](const std::string& name, const std::string& part) {
    EXPECT_ERROR(prepare_corpus(request(folder / name, CorpusKind::text8, folder / "out")), part);
    EXPECT_FALSE(std::filesystem::exists(folder / "out")) << name;
  };
  write_file_atomically(folder / "cut.zip", archive.substr(0, archive.size() / 2));
  fails("cut.zip", (folder / "cut.zip") + ": not a whole zip archive");
  std::string flipped = archive;
  flipped[archive.size() / 2] ^= 1;
  write_file_atomically(folder / "flipped.zip", flipped);
  fails("flipped.zip", "flipped.zip: member text8 is damaged");
  write_file_atomically(folder / "text.zip", "plain text");
  fails("text.zip", "not a whole zip archive");
  write_archive(folder / "two.zip", {{"one", "a"}, {"two", "b"}});
  fails("two.zip", "must hold exactly one file, it holds 2 (one, two)");
  write_archive(folder / "none.zip", {{"folder/", ""}});
  fails("none.zip", "must hold exactly one file, it holds 0");
  write_archive(folder / "empty.zip", {{"text8", ""}});
  fails("empty.zip", "member text8 is empty");
}

TEST(CorpusErrors, BadPackedDataAreExplained) {
  const TemporaryFolder folder;
  const std::string packed = gzipped(letters(50'000));
  const auto fails = [&](const std::string& name, const std::string& content, const std::string& part) {
    write_file_atomically(folder / name, content);
    EXPECT_ERROR(prepare_corpus(request(folder / name, CorpusKind::text8, folder / "out")), part);
    EXPECT_FALSE(std::filesystem::exists(folder / "out")) << name;
  };
  for (const char* name : {"cut.gz", "cut.tar.gz", "renamed"}) {
    if (name != std::string("cut.tar.gz")) fails(name, packed.substr(0, 9000), "truncated gzip data");
    if (name == std::string("cut.tar.gz")) fails(name, packed.substr(0, 9000), "cut.tar.gz: ");
  }
  fails("no.gz", "plain text", "not gzip data, though the name ends in .gz");
  fails("no.tgz", packed, "no.tgz: not a whole tar archive");
  fails("empty.gz", gzipped(""), "nothing is packed in it, needed text to learn from");
  write_archive(folder / "two.tar.gz", {{"one", "a"}, {"two", "b"}});
  fails("two.tar.gz", read_file(folder / "two.tar.gz"),
        "the tar.gz archive must hold exactly one file, it holds 2 (one, two)");
}

TEST(CorpusErrors, BadSourcesAreExplained) {
  const TemporaryFolder folder;
  const auto fails = [&](CorpusKind kind, const std::string& name, const std::string& part) {
    EXPECT_ERROR(prepare_corpus(request(folder / name, kind, folder / "out")), part);
    EXPECT_FALSE(std::filesystem::exists(folder / "out")) << name;
  };
  fails(CorpusKind::enwik8, "absent",
        "curl --location --fail --output enwik8.zip https://mattmahoney.net/dc/enwik8.zip");
  fails(CorpusKind::text8, "absent", "no file " + (folder / "absent") + "; text8 is 100000000 bytes");
  fails(CorpusKind::bytes, "absent", "No such file or directory (ENOENT)");
  fails(CorpusKind::enwik8, "", "is a folder, needed a file");
  write_file_atomically(folder / "empty", "");
  fails(CorpusKind::enwik8, "empty", "empty file");
  write_file_atomically(folder / "tiny", "abc");
  fails(CorpusKind::text8, "tiny", "split: 3 bytes give");
  write_file_atomically(folder / "secret", "some text");
  ::chmod((folder / "secret").c_str(), 0);
  const WithoutPrivileges ordinary_user;
  fails(CorpusKind::enwik8, "secret", "Permission denied (EACCES)");
}

TEST(CorpusErrors, OutputThatCannotBeWrittenIsExplainedAndTheOldOneStays) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "source", letters(100'000));
  const CorpusRequest wish = request(folder / "source", CorpusKind::text8, folder / "out");
  CorpusRequest earlier = wish;
  earlier.split = {.validation = 0.3, .test = 0.3};
  const PreparedCorpus old = prepare_corpus(earlier);
  {
    rlimit limit;
    ::getrlimit(RLIMIT_FSIZE, &limit);
    const rlimit small = {.rlim_cur = 40'000, .rlim_max = limit.rlim_max};
    const auto handler = ::signal(SIGXFSZ, SIG_IGN);
    ::setrlimit(RLIMIT_FSIZE, &small);
    EXPECT_ERROR(prepare_corpus(wish),
                 "cannot write " + (folder / "out/train.tokens") + ": File too large (EFBIG)");
    ::setrlimit(RLIMIT_FSIZE, &limit);
    ::signal(SIGXFSZ, handler);
  }
  EXPECT_EQ(entries(folder / "out").size(), 4u);
  EXPECT_EQ(open_corpus(folder / "out"), old);
  {
    ::chmod((folder / "out").c_str(), 0555);
    const WithoutPrivileges ordinary_user;
    EXPECT_ERROR(prepare_corpus(wish),
                 "cannot create " + (folder / "out/train.tokens") + ": Permission denied (EACCES)");
  }
  EXPECT_EQ(open_corpus(folder / "out"), old);
  CorpusRequest into_file = wish;
  into_file.folder = folder / "source";
  EXPECT_ERROR(prepare_corpus(into_file), "cannot create the folder");
}

// In a child with a file system of its own of 256 KiB; exits 0 when the error is right and nothing is left,
// 77 where the system does not allow such a file system.
[[noreturn]] void prepare_on_full_disk(const std::string& source, const std::string& mount_point) {
  if (::unshare(CLONE_NEWNS) != 0 || ::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
      ::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, "size=256k") != 0) {
    ::_exit(77);
  }
  const std::string message =
      error_of([&] { prepare_corpus(request(source, CorpusKind::text8, mount_point + "/out")); });
  const bool right = message.find("No space left on device (ENOSPC); the disk is full") != std::string::npos;
  ::_exit(right && entries(mount_point).empty() ? 0 : 1);
}

TEST(CorpusErrors, FullDiskIsExplainedAndLeftClean) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "source", letters(1'000'000));
  create_folders(folder / "disk");
  const pid_t child = ::fork();
  if (child == 0) prepare_on_full_disk(folder / "source", folder / "disk");
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "mounting a small file system needs more rights";
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace lf
