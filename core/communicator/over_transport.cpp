#include "core/communicator/over_transport.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <numeric>
#include <utility>

#include "core/communicator/traffic.h"
#include "core/dtype.h"

namespace lf {
namespace {

// Messages of all ranks, and those of some that overtake them.
constexpr int kChannel = 1, kUrgentChannel = 2;

std::byte* bytes_at(const Tensor& x, int64_t element) { return x.raw() + element * size_of(x.dtype()); }

// The values of x in rank order, added to a start; one of them is this rank's own, the others were received.
template <class T>
void add_up(const T* start, const std::vector<const T*>& parts, T* sum, int64_t count) {
  using A = Accumulator<T>;
  for (int64_t i = 0; i < count; ++i) {
    size_t next = 0;
    A total = static_cast<A>(start ? start[i] : parts[next++][i]);
    for (; next < parts.size(); ++next) total += static_cast<A>(parts[next][i]);
    sum[i] = static_cast<T>(total);
  }
}

// Elements [begin, end) of a flat block.
struct Slice {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

Slice slice(const Bounds& slices, int rank) {
  return {slices[static_cast<size_t>(rank)], slices[static_cast<size_t>(rank) + 1]};
}

// Of all ranks, or of some.
class OverTransport : public Communicator {
 public:
  using Haste = CommunicationThread::Haste;

  OverTransport(CommunicationThread& thread, std::vector<int> members, Haste haste)
      : thread_(thread), members_(std::move(members)), haste_(haste) {
    const auto me = std::find(members_.begin(), members_.end(), thread_.rank());
    CHECK(me != members_.end(), "ranks: rank ", thread_.rank(), " is not among those that it works with");
    rank_ = static_cast<int>(me - members_.begin());
  }

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(members_.size()); }
  std::string host(int rank) const override { return thread_.host(members_[static_cast<size_t>(rank)]); }
  int64_t bytes_sent() const override { return thread_.bytes_sent(); }
  double busy_seconds() const override { return thread_.busy_seconds(); }
  double waited_seconds() const override { return thread_.waited_seconds(); }
  bool fail(const std::string& why, int exit_code) override { return thread_.fail(why, exit_code); }
  void lose(const std::string& why) override { thread_.lose(why); }
  bool has_failed() const override { return thread_.has_failed(); }
  std::shared_ptr<Communicator> with(const std::vector<int>& members) override {
    std::vector<int> all;
    for (const int member : members) all.push_back(members_.at(static_cast<size_t>(member)));
    return std::make_shared<OverTransport>(thread_, all, Haste::urgent);
  }

  Pending start_reduce_scatter(Tensor x, Bounds slices) override {
    return start_on_host(
        x, [this, slices](Wire& wire, const Tensor& host) { reduce(wire, host, Tensor(), size(), slices); });
  }
  Pending start_accumulate(Tensor x, Tensor total, int ranks, Bounds slices) override {
    const Tensor mine = x.to(Device::cpu);
    return start_on_host(total, [this, mine, ranks, slices](Wire& wire, const Tensor& host) {
      reduce(wire, mine, host, ranks, slices);
    });
  }
  Pending start_all_gather(Tensor x, Bounds slices) override {
    return start_on_host(x,
                         [this, slices](Wire& wire, const Tensor& host) { all_gather(wire, host, slices); });
  }
  void broadcast(Tensor x) override {
    start_on_host(x, [this](Wire& wire, const Tensor& host) {
      broadcast(wire, host.raw(), host.elements() * size_of(host.dtype()));
    }).wait();
  }
  std::vector<std::string> gather(const std::string& words) override {
    const auto all = std::make_shared<std::vector<std::string>>();
    start([this, words, all](Wire& wire) { *all = gather(wire, words); }).wait();
    return *all;
  }
  void exchange(const std::vector<Parcel>& sent, const std::vector<Parcel>& received) override {
    std::vector<Parcel> out = sent, in = received;
    for (Parcel& parcel : out) parcel.content = parcel.content.to(Device::cpu);
    for (auto& [peer, content] : in)
      if (content.device() != Device::cpu) content = Tensor::empty(content.shape(), content.dtype());
    const auto messages = [](const std::vector<Parcel>& parcels) {
      std::vector<Message> result;
      for (const auto& [peer, content] : parcels)
        result.push_back({peer, content.raw(), content.elements() * size_of(content.dtype())});
      return result;
    };
    start([out, in, messages](Wire& wire) { wire.exchange(messages(out), messages(in)); }).wait();
    for (size_t i = 0; i < in.size(); ++i) {
      Tensor place = received[i].content;
      if (place.device() != Device::cpu) place.copy_from(in[i].content);
    }
  }
  Pending start_send(int to, std::string bytes) override {
    struct Sent {
      std::string bytes;
      int64_t length;
    };
    const auto length = static_cast<int64_t>(bytes.size());
    auto sent = std::make_shared<Sent>(Sent{std::move(bytes), length});
    return start([to, sent](Wire& wire) {
      std::vector<Message> messages{{to, &sent->length, sizeof(int64_t)}};
      if (sent->length > 0) messages.push_back({to, sent->bytes.data(), sent->length});
      wire.exchange(messages, {});
    });
  }
  std::string receive(int from) override {
    const auto bytes = std::make_shared<std::string>();
    start([from, bytes](Wire& wire) {
      int64_t& length = wire.own<int64_t>(0);
      wire.exchange({}, {{from, &length, sizeof length}});
      bytes->resize(static_cast<size_t>(length));
      if (length > 0) wire.exchange({}, {{from, bytes->data(), length}});
    }).wait();
    return std::move(*bytes);
  }

 private:
  // What work sends and receives, by the numbers that ranks have here. A message that is under way when the
  // run fails may still be written: its memory lives in the work, which is kept, or is the wire's own.
  class Wire {
   public:
    explicit Wire(const OverTransport& ranks) : ranks_(ranks) {}
    void use(CommunicationThread::Wire& wire) { wire_ = &wire; }

    // Memory that lives as long as the work.
    template <class T, class... Arguments>
    T& own(Arguments&&... arguments) {
      const auto made = std::make_shared<T>(std::forward<Arguments>(arguments)...);
      owned_.push_back(made);
      return *made;
    }
    void exchange(std::vector<Message> send, std::vector<Message> receive) {
      for (std::vector<Message>* const messages : {&send, &receive})
        for (Message& message : *messages) message.peer = ranks_.members_[static_cast<size_t>(message.peer)];
      wire_->exchange(ranks_.haste_ == Haste::urgent ? kUrgentChannel : kChannel, send, receive);
    }

   private:
    const OverTransport& ranks_;
    CommunicationThread::Wire* wire_ = nullptr;
    std::vector<std::shared_ptr<void>> owned_;
  };

  template <class Work>
  Pending start(Work work) {
    return thread_.start(
        [work = std::move(work), wire = std::make_shared<Wire>(*this)](CommunicationThread::Wire& all) {
          wire->use(all);
          work(*wire);
        },
        haste_);
  }

  // Starts work on x, or on a copy of it in host memory, which is waited for and copied back.
  template <class Work>
  Pending start_on_host(Tensor x, Work work) {
    if (x.device() == Device::cpu) return start([x, work = std::move(work)](Wire& wire) { work(wire, x); });
    const Tensor host = x.to(Device::cpu);
    start([host, work = std::move(work)](Wire& wire) { work(wire, host); }).wait();
    x.copy_from(host);
    return {};
  }

  void check_slices(const Tensor& x, const Bounds& slices) const {
    CHECK(std::ssize(slices) == size() + 1 && slices.front() == 0 && slices.back() == x.elements(),
          "ranks: the slices are not of what they cut");
  }

  // Into this rank's slice of `total`, or of x where there is none.
  void reduce(Wire& wire, const Tensor& x, const Tensor& total, int ranks, const Bounds& slices) {
    visit_float(x.dtype(), [&]<class T>() { reduce_as<T>(wire, x, total, ranks, slices); });
  }

  template <class T>
  void reduce_as(Wire& wire, const Tensor& x, const Tensor& total, int ranks, const Bounds& slices) {
    check_slices(x, slices);
    CHECK(!total.defined() || (total.dtype() == x.dtype() && total.elements() == x.elements()),
          "ranks: what is accumulated is not like its total");
    int64_t longest = 0;
    for (int rank = 0; rank < size(); ++rank) longest = std::max(longest, slice(slices, rank).size());
    auto& received = wire.own<std::vector<std::vector<T>>>(static_cast<size_t>(size()));
    for (int64_t done = 0; done < longest; done += kExchangedAtOnce) {
      const auto segment = [&](int rank) {
        const Slice whole = slice(slices, rank);
        const int64_t begin = std::min(whole.begin + done, whole.end);
        return Slice{begin, std::min(begin + kExchangedAtOnce, whole.end)};
      };
      const Slice own = segment(rank());
      std::vector<Message> send, receive;
      std::vector<const T*> parts;
      for (int peer = 0; peer < size(); ++peer) {
        if (peer == rank()) {
          if (peer < ranks) parts.push_back(x.data<T>() + own.begin);
          continue;
        }
        const Slice theirs = segment(peer);
        if (rank() < ranks && theirs.size() > 0)
          send.push_back({peer, bytes_at(x, theirs.begin), theirs.size() * size_of(x.dtype())});
        if (peer >= ranks || own.size() == 0) continue;
        std::vector<T>& buffer = received[static_cast<size_t>(peer)];
        buffer.resize(static_cast<size_t>(own.size()));
        receive.push_back({peer, buffer.data(), own.size() * size_of(x.dtype())});
        parts.push_back(buffer.data());
      }
      wire.exchange(send, receive);
      T* const sum = (total.defined() ? total : x).template data<T>() + own.begin;
      add_up<T>(total.defined() ? sum : nullptr, parts, sum, own.size());
    }
  }

  void all_gather(Wire& wire, const Tensor& x, const Bounds& slices) {
    check_slices(x, slices);
    std::vector<Message> send, receive;
    const auto message = [&](int peer, const Slice& part) {
      return Message{peer, bytes_at(x, part.begin), part.size() * size_of(x.dtype())};
    };
    for (int peer = 0; peer < size(); ++peer) {
      if (peer == rank()) continue;
      if (const Slice own = slice(slices, rank()); own.size() > 0) send.push_back(message(peer, own));
      const Slice theirs = slice(slices, peer);
      if (theirs.size() > 0) receive.push_back(message(peer, theirs));
    }
    wire.exchange(send, receive);
  }

  // From rank 0, along a binomial tree: in the round of distance d the ranks below d, which have it, send it
  // to those d above.
  void broadcast(Wire& wire, void* data, int64_t bytes) {
    for (int distance = 1; distance < size(); distance *= 2) {
      if (rank() < distance && rank() + distance < size())
        wire.exchange({{rank() + distance, data, bytes}}, {});
      else if (rank() >= distance && rank() < 2 * distance)
        wire.exchange({}, {{rank() - distance, data, bytes}});
    }
  }

  std::vector<std::string> gather(Wire& wire, const std::string& given) {
    auto& words = wire.own<std::string>(given);
    auto& lengths = wire.own<std::vector<int64_t>>(static_cast<size_t>(size()));
    lengths[static_cast<size_t>(rank())] = static_cast<int64_t>(words.size());
    const auto place = [](auto& value) { return static_cast<void*>(&value); };
    auto& all = wire.own<std::vector<std::string>>(lengths.size());
    if (rank() == 0) {
      std::vector<Message> receive;
      for (int peer = 1; peer < size(); ++peer)
        receive.push_back({peer, place(lengths[static_cast<size_t>(peer)]), sizeof(int64_t)});
      wire.exchange({}, receive);
      receive.clear();
      all[0] = std::move(words);
      for (int peer = 1; peer < size(); ++peer) {
        const auto i = static_cast<size_t>(peer);
        all[i].resize(static_cast<size_t>(lengths[i]));
        if (lengths[i] > 0) receive.push_back({peer, all[i].data(), lengths[i]});
      }
      wire.exchange({}, receive);
    } else {
      wire.exchange({{0, place(lengths[static_cast<size_t>(rank())]), sizeof(int64_t)}}, {});
      if (!words.empty()) wire.exchange({{0, words.data(), static_cast<int64_t>(words.size())}}, {});
    }
    broadcast(wire, lengths.data(), static_cast<int64_t>(lengths.size() * sizeof(int64_t)));
    auto& joined = wire.own<std::string>();
    if (rank() == 0)
      for (const std::string& each : all) joined += each;
    int64_t bytes = 0;
    for (const int64_t length : lengths) bytes += length;
    joined.resize(static_cast<size_t>(bytes));
    if (bytes > 0) broadcast(wire, joined.data(), bytes);
    size_t begin = 0;
    for (size_t i = 0; i < all.size(); ++i) {
      all[i] = joined.substr(begin, static_cast<size_t>(lengths[i]));
      begin += static_cast<size_t>(lengths[i]);
    }
    return all;
  }

  CommunicationThread& thread_;
  const std::vector<int> members_;  // of all ranks
  int rank_ = 0;                    // among the members
  const Haste haste_;
};

// What must be there before and after the communicator of all ranks.
struct Connection {
  Activity activity;
  CommunicationThread thread;

  Connection(const std::function<std::unique_ptr<Transport>()>& open, const Patience& patience,
             const Alarm& alarm)
      : thread(open, activity, patience, alarm) {}
};

class OfAllRanks : private Connection, public OverTransport {
 public:
  OfAllRanks(const std::function<std::unique_ptr<Transport>()>& open, const Patience& patience,
             const Alarm& alarm)
      : Connection(open, patience, alarm), OverTransport(thread, numbers_below(thread.size()), Haste::none) {}

 private:
  static std::vector<int> numbers_below(int count) {
    std::vector<int> numbers(static_cast<size_t>(count));
    std::iota(numbers.begin(), numbers.end(), 0);
    return numbers;
  }
};

}  // namespace

std::unique_ptr<Communicator> over_transport(const std::function<std::unique_ptr<Transport>()>& open,
                                             const Patience& patience, const Alarm& alarm) {
  return std::make_unique<OfAllRanks>(open, patience, alarm);
}

}  // namespace lf
