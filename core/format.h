// Durations, sizes, counts and lists as people read them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lf {

// "0.42 s", "7.3 s", "3m 12s", "2h 05m", "3d 04h"; "?" where the seconds are not finite or negative.
std::string format_duration(double seconds);

// "512 B", "1.4 KiB", "2.31 GiB": three significant digits, binary units.
std::string format_bytes(double bytes);

// "950", "12.3k", "4.56M": three significant digits, decimal units; `format_count(r) + " tok/s"` is a rate.
std::string format_count(double count);

// "1,234,567".
std::string format_grouped(int64_t number);

// "a, b, c".
std::string joined(const std::vector<std::string>& words);

}  // namespace lf
