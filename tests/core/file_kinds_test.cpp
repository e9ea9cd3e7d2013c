// What a file is, told from its first bytes and its name.
#include "core/file_kinds.h"

#include "core/files.h"
#include "data/byte_source.h"
#include "tests/temporary_folder.h"
#include "tests/testing.h"

namespace lf {
namespace {

// As git-lfs writes it (docs/spec.md of that project).
const std::string kPointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 498818054\n";

TEST(FileKinds, GitLfsPointersAreNamedByEveryReader) {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  write_file_atomically(path, kPointer);
  const std::string told =
      path +
      ": a Git LFS pointer: the file itself (498818054 bytes) was not downloaded; get it with `git lfs pull`";
  EXPECT_EQ(error_of([&] { MappedFile{path}; }), told);
  EXPECT_EQ(error_of([&] { ByteSource{path}; }), told);
  EXPECT_ERROR(text_begin("a.zip: b.txt", kPointer), "a.zip: b.txt: a Git LFS pointer");
  write_file_atomically(folder / "text", "version https://git-lfs.example\n");
  EXPECT_EQ(error_of([&] { MappedFile{folder / "text"}; }), "");
}

TEST(FileKinds, TextsBeginBehindAByteOrderMark) {
  EXPECT_EQ(text_begin("a", "plain"), 0u);
  EXPECT_EQ(text_begin("a", ""), 0u);
  EXPECT_EQ(text_begin("a", "\xEF\xBB\xBFplain"), 3u);
}

TEST(FileKinds, OtherEncodingsAndBinaryDataAreNamed) {
  const auto refused = [](const std::string& bytes, const std::string& part) {
    EXPECT_ERROR(text_begin("a.txt", bytes), part);
  };
  refused(std::string("\xFF\xFE"
                      "a\0b\0",
                      6),
          "a.txt: text in UTF-16, needed UTF-8; convert it with `iconv -f UTF-16");
  refused(std::string("\xFE\xFF\0a\0b", 6), "text in UTF-16");
  refused(std::string("\xFF\xFE\0\0a\0\0\0", 8), "text in UTF-32");
  refused(std::string("\0\0\xFE\xFF\0\0\0a", 8), "text in UTF-32");
  refused(std::string("a\0b\0", 4),
          "binary data, or text in UTF-16 without a byte order mark: byte 1 is zero");
}

TEST(FileKinds, PackedFilesAreNamedWhereTextIsRead) {
  const TemporaryFolder folder;
  write_file_atomically(folder / "config.json", "\x1F\x8B\x08...");
  EXPECT_EQ(error_of([&] { read_text_file(folder / "config.json"); }),
            (folder / "config.json") + ": data packed by gzip; unpack it with `gunzip`");
  write_file_atomically(folder / "config.json", "PK\x03\x04...");
  EXPECT_ERROR(read_text_file(folder / "config.json"), ": a zip archive; unpack it with `unzip`");
  write_file_atomically(folder / "config.json", "\xEF\xBB\xBF{}");
  EXPECT_EQ(read_text_file(folder / "config.json"), "{}");
  EXPECT_EQ(stand_in("PK"), "");
  EXPECT_EQ(stand_in("BZh, said he"), "");
  EXPECT_EQ(stand_in("BZh91AY&SY"), "data packed by bzip2; unpack it with `bunzip2`");
  // Where any bytes may be meant, the name must say so, too.
  const std::string xz(
      "\xFD"
      "7zXZ\0",
      6);
  EXPECT_EQ(unread_packing("a.txt.xz", xz), "data packed by xz; unpack it with `unxz`");
  EXPECT_EQ(unread_packing("a.bin", xz), "");
  EXPECT_EQ(unread_packing("a.txt.xz", "text"), "");
  EXPECT_EQ(unread_packing("a.gz", "\x1F\x8B"), "") << "is unpacked as it is read";
}

TEST(FileKinds, HiddenNames) {
  for (const char* hidden : {".a", "a/.ipynb_checkpoints/b.txt", "__MACOSX/._a", "a/._b.txt", "a/.git/b",
                             "a/Thumbs.db", "desktop.ini"})
    EXPECT_TRUE(is_hidden_name(hidden)) << hidden;
  for (const char* shown : {"a", "./a", "../a/b.txt", "a.b/c.d", "_MACOSX/a", ""})
    EXPECT_FALSE(is_hidden_name(shown)) << shown;
}

}  // namespace
}  // namespace lf
