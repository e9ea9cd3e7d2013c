#include "trainers/ranks/shared_records.h"

#include <nlohmann/json.hpp>

namespace lf {
namespace {

using nlohmann::json;

// Texts need not be UTF-8 there.
std::string packed(const std::vector<Record>& records) {
  json list = json::array();
  for (const Record& r : records) {
    std::vector<int64_t> borders;
    for (const ByteRange& word : r.words) borders.insert(borders.end(), {word.begin, word.end});
    list.push_back({r.id, r.where, r.text ? json(*r.text) : json(), r.rows, r.length, r.ids, r.mask, r.labels,
                    r.global, borders});
  }
  const std::vector<uint8_t> bytes = json::to_cbor(list);
  return {bytes.begin(), bytes.end()};
}

std::vector<Record> unpacked(const std::string& bytes) {
  std::vector<Record> records;
  for (const json& fields : json::from_cbor(bytes)) {
    Record& r = records.emplace_back();
    fields[0].get_to(r.id), fields[1].get_to(r.where);
    if (!fields[2].is_null()) r.text = fields[2].get<std::string>();
    fields[3].get_to(r.rows), fields[4].get_to(r.length), fields[5].get_to(r.ids);
    fields[6].get_to(r.mask), fields[7].get_to(r.labels), fields[8].get_to(r.global);
    const auto borders = fields[9].get<std::vector<int64_t>>();
    for (size_t i = 0; i < borders.size(); i += 2) r.words.push_back({borders[i], borders[i + 1]});
  }
  return records;
}

}  // namespace

std::vector<Record> shared_records(Communicator& ranks, const std::function<std::vector<Record>()>& read) {
  if (ranks.size() == 1) return read();
  const std::string mine =
      all_or_none(ranks, [&] { return ranks.rank() == 0 ? packed(read()) : std::string(); });
  return unpacked(ranks.broadcast(mine));
}

}  // namespace lf
