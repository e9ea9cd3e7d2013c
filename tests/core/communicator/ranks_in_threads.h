// Ranks as threads of one process, connected by mailboxes: what a run of several processes does.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "core/communicator/over_transport.h"

namespace lf {

class Mailboxes {
 public:
  explicit Mailboxes(int ranks) : ranks_(ranks) {}

  std::unique_ptr<Transport> transport(int rank) { return std::make_unique<OfRank>(*this, rank); }

 private:
  using Box = std::tuple<int, int, int>;  // from, to, channel

  class Exchange : public Transport::Transfer {
   public:
    Exchange(Mailboxes& world, int rank, int channel, const Message* receive, size_t receives)
        : world_(world), rank_(rank), channel_(channel), open_(receive, receive + receives) {}
    bool done() override {
      const std::lock_guard lock(world_.mutex_);
      while (!open_.empty()) {
        auto& box = world_.boxes_[{open_.front().peer, rank_, channel_}];
        if (box.empty()) return false;
        CHECK(static_cast<int64_t>(box.front().size()) == open_.front().bytes, "a message of ",
              box.front().size(), " bytes where ", open_.front().bytes, " were awaited");
        std::memcpy(open_.front().data, box.front().data(), box.front().size());
        box.pop_front();
        open_.pop_front();
      }
      return true;
    }
    int waits_for() override { return open_.empty() ? -1 : open_.front().peer; }

   private:
    Mailboxes& world_;
    int rank_, channel_;
    std::deque<Message> open_;
  };

  class OfRank : public Transport {
   public:
    OfRank(Mailboxes& world, int rank) : world_(world), rank_(rank) {}
    int rank() const override { return rank_; }
    int size() const override { return world_.ranks_; }
    std::unique_ptr<Transfer> start(int channel, const Message* send, size_t sends, const Message* receive,
                                    size_t receives) override {
      const std::lock_guard lock(world_.mutex_);
      for (size_t i = 0; i < sends; ++i)
        world_.boxes_[{rank_, send[i].peer, channel}].emplace_back(static_cast<const char*>(send[i].data),
                                                                   static_cast<size_t>(send[i].bytes));
      return std::make_unique<Exchange>(world_, rank_, channel, receive, receives);
    }
    void send_note(int to, const Note& note) override {
      const std::lock_guard lock(world_.mutex_);
      world_.notes_[to].push_back(note);
    }
    std::optional<Note> receive_note() override {
      const std::lock_guard lock(world_.mutex_);
      auto& notes = world_.notes_[rank_];
      if (notes.empty()) return std::nullopt;
      const Note note = notes.front();
      notes.pop_front();
      return note;
    }
    void abandon() override {}

   private:
    Mailboxes& world_;
    const int rank_;
  };

  const int ranks_;
  std::mutex mutex_;
  std::map<Box, std::deque<std::string>> boxes_;
  std::map<int, std::deque<Note>> notes_;
};

// Runs `body` as every one of so many ranks, each in a thread of its own; rethrows what the lowest of those
// that threw has thrown, but what others only heard of.
inline void run_ranks(int ranks, const std::function<void(std::shared_ptr<Communicator>)>& body,
                      const Patience& patience = {},
                      const Alarm& alarm = {[](const std::string&) {}, [](int) {}}) {
  Mailboxes world(ranks);
  std::vector<std::exception_ptr> thrown(static_cast<size_t>(ranks));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < ranks; ++rank) {
    threads.emplace_back([&, rank] {
      std::exception_ptr& mine = thrown[static_cast<size_t>(rank)];
      try {
        const std::shared_ptr<Communicator> communicator =
            over_transport([&, rank] { return world.transport(rank); }, patience, alarm);
        try {
          body(communicator);
        } catch (const OtherRankFailed&) {
          mine = std::current_exception();
        } catch (const std::exception& error) {
          mine = std::current_exception();
          communicator->fail(error.what(), 1);
        }
      } catch (...) {
        mine = std::current_exception();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::exception_ptr heard;
  for (const std::exception_ptr& each : thrown) {
    try {
      if (each) std::rethrow_exception(each);
    } catch (const OtherRankFailed&) {
      heard = each;
    }
  }
  if (heard) std::rethrow_exception(heard);
}

}  // namespace lf
