// Reading tokenizer.json, the file of the Hugging Face tokenizers library.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "data/tokenizer/tokenizer_definition.h"

namespace lf {

// The ids of a JSON object {"token": id, ...}.
TokenIds parse_vocabulary(const nlohmann::json& value, const std::string& source);

// An added token as tokenizer.json writes it, without its id.
AddedToken parse_added_token(const nlohmann::json& value, const std::string& who);

// A byte-level BPE tokenizer. Throws Error naming the field for everything that is missing, of the wrong
// type, or asks for behaviour that is not implemented: nothing in the file is ignored. The ids of all its
// tokens go to `all_ids`, where it is given.
TokenizerDefinition parse_tokenizer_json(const nlohmann::json& document, const std::string& path,
                                         TokenIds* all_ids = nullptr);

}  // namespace lf
