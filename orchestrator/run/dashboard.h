#pragma once
/// What `--http` serves: the listener, the board behind its page, and the clock that moves it.
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "metrics/board.h"
#include "metrics/instruments.h"
#include "orchestrator/http/listener.h"
#include "orchestrator/run/history.h"
#include "phases/program.h"

namespace weir {

/// On the io thread. It serves whenever the io_context runs, over all connections of the run.
class DashboardServer : public Listener {
  public:
    /// `io` and `instruments` must outlive it; `address` as HttpListener has it; `conninfo` and `plan` as History.
    DashboardServer(boost::asio::io_context& io, std::string address, Instruments const& instruments,
                    std::string conninfo, std::string const& plan);
    ~DashboardServer() override;

    /// As HttpListener::start().
    std::optional<Problem> start();
    void hear(Event const& event) noexcept override;
    /// `done`: ids of steps that are done already.
    void program(Program const& program, std::set<std::string> const& done);
    /// Runs the io_context until every reader has the last news, half a second at most.
    void say_goodbye();
    /// The port that it listens on.
    std::uint16_t port() const { return http_.local_port(); }
    /// As HttpListener::scrapes().
    std::size_t scrapes() const { return http_.scrapes(); }

  private:
    void tick();
    void show_history();
    boost::asio::io_context& io_;
    Board board_;
    History history_;
    HttpListener http_;
    boost::asio::steady_timer clock_;
    History::Text history_told_;
    std::size_t streams_told_{};
    std::chrono::steady_clock::time_point history_due_{};
};

}  // namespace weir
