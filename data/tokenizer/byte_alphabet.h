// GPT-2's alphabet: every byte has a printable character, in which vocabularies are written ("Ġthe" is "
// the").
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace lf {

// The character of a byte, in UTF-8: itself for the 188 printable bytes of Latin-1, U+0100 and up for the
// others.
const std::string& byte_character(uint8_t byte);

// The bytes that a token written in the alphabet stands for; nothing if it has a character outside it.
std::optional<std::string> bytes_of_token(std::string_view token);

}  // namespace lf
