// Moves bytes between the ranks of a run. It is all that the ways of connecting processes differ in; what is
// made of it is written once, in over_transport.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

namespace lf {

// Bytes to or from another rank. The memory stays the caller's, and must live until the transfer is done.
struct Message {
  int peer = 0;
  void* data = nullptr;
  int64_t bytes = 0;
};

// Short words between ranks that nobody waits for: that a rank is alive, or why it ends. Copied as it is.
struct Note {
  enum class Kind : int32_t { kAlive, kEnding };

  Kind kind = Kind::kAlive;
  int32_t from = 0;
  int32_t about = 0;      // kEnding: the rank that is lost or has failed
  int32_t exit_code = 0;  // kEnding
  int64_t step = 0;
  double phase_seconds = 0;  // for how long it has been in its phase
  char phase[64] = {};
  char words[408] = {};  // kEnding
};

// Used by one thread at a time, the one that made it.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;

  // A transfer of several messages at once.
  class Transfer {
   public:
    virtual ~Transfer() = default;
    // Goes on with it; true once everything has been sent and received.
    virtual bool done() = 0;
    // A rank from which something is still missing, or to which something could not be sent; -1: none.
    virtual int waits_for() = 0;
  };
  // Messages from one rank to another on one channel arrive in the order in which they were sent. Both sides
  // must agree about their lengths.
  virtual std::unique_ptr<Transfer> start(int channel, const Message* send, size_t sends,
                                          const Message* receive, size_t receives) = 0;

  // Sends without waiting; what cannot be sent now may get lost.
  virtual void send_note(int to, const Note& note) = 0;
  virtual std::optional<Note> receive_note() = 0;

  // From here on nothing is waited for any more, at the end neither: some rank is lost.
  virtual void abandon() = 0;
};

}  // namespace lf
