#pragma once
/// A TCP gate in front of a server that reads along and does one thing to the conversation: it cuts it after so many
/// bytes, loses a request or its answer, forges the server's last words, or falls silent. Afterwards everything passes.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/bench.h"

namespace weir::tests {

/// What is done, once. Messages are counted over all sessions, from 1, and only those that write to the ledger.
struct Fault {
    enum class Kind {
        none,
        cut_to_server,  ///< after `at` bytes from all clients, in the middle of whatever is there
        cut_to_client,  ///< after `at` bytes from the server
        lose_request,   ///< message `at` does not reach the server; both sides are closed
        lose_answer,    ///< message `at` is carried out, and its answer does not reach the client
        forge_instead,  ///< message `at` is not carried out: the client gets a FATAL 57P01
        forge_after,    ///< it is carried out, and the client gets a FATAL 57P01 for an answer
    };
    Kind kind{Kind::none};
    std::int64_t at{};
};

class Cutter {
  public:
    /// `conninfo` is that of a server on a Unix socket. Listens on a free port of 127.0.0.1.
    Cutter(std::string const& conninfo, Fault fault);
    ~Cutter();
    Cutter(Cutter const&) = delete;
    Cutter& operator=(Cutter const&) = delete;

    /// For `--database`: the same database through the gate.
    std::string url(std::string const& database) const;
    /// Held: nothing passes in either direction, and nothing is closed.
    void hold(bool held) { held_ = held; }

    bool acted() const { return acted_; }
    /// lose_answer, forge_after: the server's answer was no error.
    bool committed() const { return committed_; }
    std::int64_t to_server() const { return to_server_; }
    std::int64_t to_client() const { return to_client_; }
    std::int64_t messages() const { return messages_; }
    /// The message that it acted on, for people.
    std::string what() const;

  private:
    struct Pair {
        int client{-1}, server{-1};
        bool started{};             ///< the startup message, which has no type, is over
        std::string from_client;    ///< a message that is not complete yet
        std::string swallowed;      ///< the answer that is not passed on
        bool swallows{}, failed{};  ///< `failed`: it holds an error
        bool over{};
    };
    void work();
    bool client_said(Pair& pair);
    bool server_said(Pair& pair);
    /// One whole message of a client.
    bool message(Pair& pair, std::string const& text);
    bool forge(Pair& pair);

    Fault fault_;
    std::string server_;
    int listening_{-1}, port_{};
    std::vector<Pair> pairs_;
    std::atomic<bool> held_{}, stopping_{}, acted_{}, committed_{};
    std::atomic<std::int64_t> to_server_{}, to_client_{}, messages_{};
    mutable std::mutex mutex_;
    std::string what_;
    std::thread thread_;
};

}  // namespace weir::tests
