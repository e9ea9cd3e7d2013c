// Processes on one or many machines, through MPI: all of liblongform_mpi.so.
#include <mpi.h>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "core/check.h"
#include "core/communicator/mpi_transport.h"

namespace lf {
namespace {

constexpr int kNoteTag = 0, kFirstTag = 1;

void check(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  std::array<char, MPI_MAX_ERROR_STRING> words{};
  int length = 0;
  MPI_Error_string(status, words.data(), &length);
  throw Error(text("MPI: ", what, ": ", std::string(words.data(), static_cast<size_t>(length))));
}

// MPI counts bytes with an int.
constexpr int64_t kPiece = 1 << 30;

class MpiTransfer : public Transport::Transfer {
 public:
  MpiTransfer(int channel, const Message* send, size_t sends, const Message* receive, size_t receives) {
    for (size_t i = 0; i < receives; ++i) {
      pieces(receive[i], [&](void* data, int bytes, MPI_Request* request) {
        return MPI_Irecv(data, bytes, MPI_BYTE, receive[i].peer, channel + kFirstTag, MPI_COMM_WORLD,
                         request);
      });
    }
    for (size_t i = 0; i < sends; ++i) {
      pieces(send[i], [&](void* data, int bytes, MPI_Request* request) {
        return MPI_Isend(data, bytes, MPI_BYTE, send[i].peer, channel + kFirstTag, MPI_COMM_WORLD, request);
      });
    }
  }

  bool done() override {
    int all = 0;
    check(MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all, MPI_STATUSES_IGNORE),
          "exchanging messages");
    return all != 0;
  }

  // MPI frees requests all at once, when all are done: each is looked at without that.
  int waits_for() override {
    for (size_t i = 0; i < requests_.size(); ++i) {
      int one = 0;
      check(MPI_Request_get_status(requests_[i], &one, MPI_STATUS_IGNORE), "looking after a message");
      if (!one) return peers_[i];
    }
    return -1;
  }

 private:
  template <class Start>
  void pieces(const Message& message, Start start) {
    for (int64_t begin = 0; begin < message.bytes; begin += kPiece) {
      requests_.push_back(MPI_REQUEST_NULL);
      peers_.push_back(message.peer);
      const int bytes = static_cast<int>(std::min(kPiece, message.bytes - begin));
      check(start(static_cast<char*>(message.data) + begin, bytes, &requests_.back()), "starting a message");
    }
  }

  std::vector<MPI_Request> requests_;
  std::vector<int> peers_;
};

class MpiTransport : public Transport {
 public:
  MpiTransport() {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "starting");
    CHECK(provided >= MPI_THREAD_FUNNELED, "MPI: this library supports no threads at all; OpenMP needs some");
    check(MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN), "setting the error handler");
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "asking for the rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "asking for the number of ranks");
  }
  ~MpiTransport() override {
    if (!abandoned_) MPI_Finalize();
  }
  MpiTransport(const MpiTransport&) = delete;
  MpiTransport& operator=(const MpiTransport&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }

  std::unique_ptr<Transfer> start(int channel, const Message* send, size_t sends, const Message* receive,
                                  size_t receives) override {
    return std::make_unique<MpiTransfer>(channel, send, sends, receive, receives);
  }

  void send_note(int to, const Note& note) override {
    forget_sent_notes();
    if (notes_.size() > kMostNotes) return;  // nobody takes them
    notes_.push_back(std::make_unique<SentNote>(SentNote{note, MPI_REQUEST_NULL}));
    SentNote& sent = *notes_.back();
    check(MPI_Isend(&sent.note, sizeof sent.note, MPI_BYTE, to, kNoteTag, MPI_COMM_WORLD, &sent.request),
          "sending a sign of life");
  }

  std::optional<Note> receive_note() override {
    int there = 0;
    MPI_Status status;
    check(MPI_Iprobe(MPI_ANY_SOURCE, kNoteTag, MPI_COMM_WORLD, &there, &status), "looking for signs of life");
    if (!there) return std::nullopt;
    Note note;
    check(MPI_Recv(&note, sizeof note, MPI_BYTE, status.MPI_SOURCE, kNoteTag, MPI_COMM_WORLD,
                   MPI_STATUS_IGNORE),
          "taking a sign of life");
    return note;
  }

  void abandon() override { abandoned_ = true; }

 private:
  static constexpr size_t kMostNotes = 4096;
  struct SentNote {
    Note note;
    MPI_Request request;
  };

  void forget_sent_notes() {
    std::erase_if(notes_, [](const std::unique_ptr<SentNote>& sent) {
      int done = 0;
      check(MPI_Test(&sent->request, &done, MPI_STATUS_IGNORE), "sending a sign of life");
      return done != 0;
    });
  }

  int rank_ = 0, size_ = 1;
  bool abandoned_ = false;
  std::vector<std::unique_ptr<SentNote>> notes_;
};

}  // namespace
}  // namespace lf

lf::Transport* longform_start_mpi() { return new lf::MpiTransport; }
