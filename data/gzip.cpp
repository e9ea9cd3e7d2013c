#include "data/gzip.h"

#include <zlib.h>

#include <algorithm>
#include <utility>

#include "core/check.h"
#include "core/file_kinds.h"

namespace lf {
namespace {

// zlib counts in 32 bits.
constexpr size_t kMost = 1 << 30;
// Windows as large as they come, and gzip's header rather than zlib's.
constexpr int kWindowBits = 15 + 16;

}  // namespace

struct GzipReader::State {
  z_stream stream = {};
  bool ended = false;

  State() { CHECK(inflateInit2(&stream, kWindowBits) == Z_OK, "gzip: out of memory"); }
  ~State() { inflateEnd(&stream); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

GzipReader::GzipReader(std::string path, std::span<const uint8_t> packed)
    : path_(std::move(path)), packed_(packed) {
  CHECK(is_gzip(packed), path_, ": not gzip data, though the name ends in .gz");
  state_ = std::make_unique<State>();
  state_->stream.next_in = const_cast<uint8_t*>(packed.data());
}

GzipReader::~GzipReader() = default;

int64_t GzipReader::packed_bytes_read() const { return state_->stream.next_in - packed_.data(); }

// What follows a member: nothing (or zeros, with which tapes are filled up), or another member.
bool GzipReader::at_end_of_member() {
  const auto rest = packed_.subspan(static_cast<size_t>(packed_bytes_read()));
  if (std::all_of(rest.begin(), rest.end(), [](uint8_t byte) { return byte == 0; })) return true;
  CHECK(is_gzip(rest), path_, ": ", rest.size(), " bytes behind the gzip data that are none");
  inflateReset(&state_->stream);
  return false;
}

size_t GzipReader::read(std::span<uint8_t> out) {
  z_stream& stream = state_->stream;
  size_t done = 0;
  while (done < out.size() && !state_->ended) {
    stream.next_out = out.data() + done;
    stream.avail_out = static_cast<uInt>(std::min(kMost, out.size() - done));
    const size_t rest = packed_.size() - static_cast<size_t>(packed_bytes_read());
    stream.avail_in = static_cast<uInt>(std::min(kMost, rest));
    const int result = inflate(&stream, Z_NO_FLUSH);
    done = static_cast<size_t>(stream.next_out - out.data());
    if (result == Z_STREAM_END) {
      state_->ended = at_end_of_member();
    } else if (result == Z_BUF_ERROR || (result == Z_OK && stream.avail_out > 0)) {
      const bool has_more = static_cast<size_t>(packed_bytes_read()) < packed_.size();
      CHECK(has_more, path_, ": truncated gzip data: it ends in the middle, after ", packed_.size(),
            " packed bytes");
    } else if (result != Z_OK) {
      throw Error(text(path_, ": damaged gzip data near packed byte ", packed_bytes_read(), ": ",
                       stream.msg ? stream.msg : "unknown reason"));
    }
  }
  return done;
}

}  // namespace lf
