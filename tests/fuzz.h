// What the fuzz tests share: how long they go on, and mutations of bytes that know a format's words.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace lf {

// So many rounds in the usual suite; with LF_FUZZ_SECONDS, as many as that time allows.
class FuzzRounds {
 public:
  explicit FuzzRounds(int64_t usual) : usual_(usual) {
    if (const char* seconds = std::getenv("LF_FUZZ_SECONDS")) seconds_ = std::atof(seconds);
  }

  // The first failure ends the fuzzing.
  bool more() {
    if (::testing::Test::HasFailure()) return false;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin_;
    if (seconds_ > 0 ? elapsed.count() >= seconds_ : done_ >= usual_) return false;
    ++done_;
    return true;
  }

  int64_t done() const { return done_; }

 private:
  int64_t usual_, done_ = 0;
  double seconds_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

// Copies of `original` with a few bytes changed, removed, repeated or replaced by words of the format.
class ByteMutator {
 public:
  // Three quarters of the changes are made within [begin, end), where the meaning is.
  ByteMutator(std::string original, std::vector<std::string> words, size_t begin, size_t end, uint64_t seed)
      : original_(std::move(original)), words_(std::move(words)), begin_(begin), end_(end), random_(seed) {}

  std::string next() {
    std::string content = original_;
    do {
      mutate(content);
    } while (!content.empty() && below(3) == 0);
    return content;
  }

 private:
  uint64_t below(uint64_t limit) { return random_() % limit; }

  size_t position(const std::string& content) {
    const size_t at = begin_ + below(end_ - begin_);
    return below(4) && at < content.size() ? at : below(content.size());
  }

  void mutate(std::string& content) {
    const size_t at = position(content);
    const std::string& word = words_[below(words_.size())];
    switch (below(8)) {
      case 0:
        content[at] ^= static_cast<char>(1 << below(8));
        break;
      case 1:
        content[at] = static_cast<char>(below(256));
        break;
      case 2:
        content.erase(at, 1 + below(8));
        break;
      case 3:
        content.insert(at, word);
        break;
      case 4:
        content.replace(at, word.size(), word);
        break;
      case 5:
        content[at] = static_cast<char>(content[at] + (below(2) ? 1 : -1));
        break;
      case 6:
        content.insert(at, content.substr(position(content), below(60)));
        break;
      case 7:
        if (below(4) == 0) content.resize(at);
        break;
    }
  }

  std::string original_;
  std::vector<std::string> words_;
  size_t begin_, end_;
  std::mt19937_64 random_;
};

// A refusal begins with `who`, is of bounded length and is text that can be shown.
inline void expect_clean_message(const std::string& message, const std::string& who) {
  EXPECT_TRUE(message.starts_with(who)) << message;
  EXPECT_LT(message.size(), 1000u + who.size());
  EXPECT_NO_THROW(static_cast<void>(nlohmann::json(message).dump())) << "a message must be valid UTF-8";
}

}  // namespace lf
