// Downloads by libcurl, within this process: they end with it.
#include "data/characters/download.h"

#include <curl/curl.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <system_error>
#include <thread>

#include "core/check.h"
#include "core/files.h"
#include "core/hash.h"

namespace lf {
namespace {

constexpr int kAttempts = 3;
constexpr auto kPause = std::chrono::seconds(1);

struct CloseHandle {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, CloseHandle>;

// What libcurl calls while it works, and what came of it.
struct Transfer {
  const Download& download;
  AtomicFile& file;
  const CorpusProgress& progress;
  bool too_large = false;
  std::exception_ptr failure = {};  // of the disk, or of whoever watches the progress
  std::array<char, CURL_ERROR_SIZE> message = {};
};

size_t on_bytes(char* bytes, size_t, size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    transfer.too_large = transfer.file.size() + static_cast<int64_t>(size) > transfer.download.bytes;
    if (transfer.too_large) return CURL_WRITEFUNC_ERROR;
    transfer.file.write(std::string_view(bytes, size));
    return size;
  } catch (...) {
    transfer.failure = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    if (transfer.progress) transfer.progress("download", transfer.file.size(), transfer.download.bytes);
    return 0;
  } catch (...) {
    transfer.failure = std::current_exception();
    return 1;
  }
}

template <class Value>
void set(const Handle& handle, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(handle.get(), option, value);
  CHECK(code == CURLE_OK, "download: libcurl takes no option ", static_cast<int>(option), ": ",
        curl_easy_strerror(code));
}

Handle prepare(Transfer& transfer) {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  Handle handle(started == CURLE_OK ? curl_easy_init() : nullptr);
  CHECK(handle, "download: libcurl does not start");
  set(handle, CURLOPT_URL, transfer.download.url.c_str());
  set(handle, CURLOPT_PROTOCOLS_STR, "https");
  set(handle, CURLOPT_REDIR_PROTOCOLS_STR, "https");
  set(handle, CURLOPT_FOLLOWLOCATION, 1L);
  set(handle, CURLOPT_MAXREDIRS, 5L);
  set(handle, CURLOPT_FAILONERROR, 1L);
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_CONNECTTIMEOUT, 20L);
  set(handle, CURLOPT_LOW_SPEED_LIMIT, 1000L);
  set(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(transfer.download.stall_seconds));
  set(handle, CURLOPT_MAXFILESIZE_LARGE, static_cast<curl_off_t>(transfer.download.bytes));
  set(handle, CURLOPT_ERRORBUFFER, transfer.message.data());
  set(handle, CURLOPT_WRITEFUNCTION, &on_bytes);
  set(handle, CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
  set(handle, CURLOPT_NOPROGRESS, 0L);
  set(handle, CURLOPT_XFERINFOFUNCTION, &on_progress);
  set(handle, CURLOPT_XFERINFODATA, static_cast<void*>(&transfer));
  // The library itself reads neither of these, which curl's users know.
  for (const char* variable : {"SSL_CERT_FILE", "CURL_CA_BUNDLE"}) {
    if (const char* bundle = std::getenv(variable)) set(handle, CURLOPT_CAINFO, bundle);
  }
  return handle;
}

bool may_pass(CURLcode code) {
  return code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT || code == CURLE_PARTIAL_FILE ||
         code == CURLE_RECV_ERROR || code == CURLE_GOT_NOTHING;
}

const char* way_out(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
      return "; only https is followed";
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      return "; certificates come from the package ca-certificates, or from the file that CURL_CA_BUNDLE "
             "names";
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_CONNECT:
      return "; a proxy is taken from https_proxy";
    default:
      return "";
  }
}

CURLcode fetch(Transfer& transfer) {
  const Handle handle = prepare(transfer);
  const CURLcode code = curl_easy_perform(handle.get());
  if (transfer.failure) std::rethrow_exception(transfer.failure);
  CHECK(!transfer.too_large && code != CURLE_FILESIZE_EXCEEDED, transfer.download.url,
        ": what arrives is larger than the published file of ", transfer.download.bytes,
        " bytes; nothing of it was kept");
  return code;
}

bool has_content(const std::string& path, const Download& download) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return !error && static_cast<int64_t>(size) == download.bytes &&
         digest_of_file(Digest::kSha256, path) == download.sha256;
}

}  // namespace

void download_file(const Download& download, const std::string& destination, const CorpusProgress& progress) {
  if (has_content(destination, download)) return;
  for (int attempt = 1;; ++attempt) {
    AtomicFile file(destination);
    Transfer transfer{.download = download, .file = file, .progress = progress};
    const CURLcode code = fetch(transfer);
    if (code == CURLE_OK) {
      CHECK(has_content(file.temporary_path(), download), download.url,
            ": what arrived is not the published file: ", file.size(), " bytes with SHA-256 ",
            digest_of_file(Digest::kSha256, file.temporary_path()), ", needed ", download.bytes,
            " bytes with SHA-256 ", download.sha256, "; nothing of it was kept");
      return file.commit();
    }
    if (may_pass(code) && attempt < kAttempts) {
      std::this_thread::sleep_for(kPause);
      continue;
    }
    const char* const reason = transfer.message[0] ? transfer.message.data() : curl_easy_strerror(code);
    throw Error(text("download of ", download.url, " failed: ", reason, way_out(code),
                     ". Without a network, fetch that address on another machine and copy the file to ",
                     destination));
  }
}

std::string download_corpus(CorpusKind kind, const std::string& folder, const CorpusProgress& progress) {
  const std::optional<OfficialCorpus> official = official_corpus(kind);
  if (!official)
    throw UsageError("download: kind bytes is any file of yours; only enwik8 and text8 are published");
  create_folders(folder);
  const std::string destination = folder + "/" + official->name + ".zip";
  download_file({official->url, official->archive_bytes, official->archive_sha256}, destination, progress);
  return destination;
}

}  // namespace lf
