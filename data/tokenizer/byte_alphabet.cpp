#include "data/tokenizer/byte_alphabet.h"

#include "data/tokenizer/utf8.h"

namespace lf {
namespace {

constexpr char32_t kFirstStandIn = 0x100;
constexpr int kLastStandIn = 0x143;  // 68 bytes have no character of their own

bool stands_for_itself(int byte) {
  return (byte >= '!' && byte <= '~') || (byte >= 0xA1 && byte <= 0xAC) || byte >= 0xAE;
}

struct Alphabet {
  std::array<std::string, 256> characters;
  std::array<int16_t, kLastStandIn + 1> bytes;  // by code point; -1 for those that stand for no byte

  Alphabet() {
    bytes.fill(-1);
    char32_t stand_in = kFirstStandIn;
    for (int byte = 0; byte < 256; ++byte) {
      const char32_t c = stands_for_itself(byte) ? static_cast<char32_t>(byte) : stand_in++;
      std::string& character = characters[static_cast<size_t>(byte)];
      if (c < 0x80) {
        character = {static_cast<char>(c)};
      } else {
        character = {static_cast<char>(0xC0 | c >> 6), static_cast<char>(0x80 | (c & 0x3F))};
      }
      bytes[c] = static_cast<int16_t>(byte);
    }
  }
};

const Alphabet& alphabet() {
  static const Alphabet result;
  return result;
}

}  // namespace

const std::string& byte_character(uint8_t byte) { return alphabet().characters[byte]; }

std::optional<std::string> bytes_of_token(std::string_view token) {
  std::string result;
  for (size_t at = 0; at < token.size();) {
    if (!utf8_step(token, at).valid) return std::nullopt;
    size_t length = 0;
    const char32_t c = decode_valid_utf8(token.data() + at, length);
    if (c > kLastStandIn || alphabet().bytes[c] < 0) return std::nullopt;
    result += static_cast<char>(alphabet().bytes[c]);
    at += length;
  }
  return result;
}

}  // namespace lf
