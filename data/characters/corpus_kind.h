// What a user can say about a corpus of characters.
#pragma once

#include <string>
#include <vector>

namespace lf {

// enwik8: bytes of Wikipedia XML; text8: a-z and space; bytes: any file.
enum class CorpusKind { enwik8, text8, bytes };

inline std::vector<std::string> names_of(CorpusKind) { return {"enwik8", "text8", "bytes"}; }

// What happens to newline bytes (0x0A): kept, or dropped from every split as the Transformer-XL pipeline
// does.
enum class Newlines { keep, strip };

inline std::vector<std::string> names_of(Newlines) { return {"keep", "strip"}; }

}  // namespace lf
