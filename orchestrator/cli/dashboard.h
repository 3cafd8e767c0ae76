#pragma once
/// What `--http` serves: the listener, the board behind its page, and the clock that moves it.
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "metrics/board.h"
#include "metrics/instruments.h"
#include "orchestrator/http/listener.h"
#include "phases/program.h"

namespace weir {

/// On the io thread. It serves whenever the io_context runs, over all connections of the run.
class DashboardServer : public Listener {
  public:
    /// `io` and `instruments` must outlive it; `address` as HttpListener has it.
    DashboardServer(boost::asio::io_context& io, std::string address, Instruments const& instruments);
    ~DashboardServer() override;

    /// As HttpListener::start().
    std::optional<Problem> start();
    void hear(Event const& event) noexcept override { board_.hear(event); }
    /// `done`: ids of steps that are done already.
    void program(Program const& program, std::set<std::string> const& done);
    /// Runs the io_context until every reader has the last news, half a second at most.
    void say_goodbye();
    /// As HttpListener::scrapes().
    std::size_t scrapes() const { return http_.scrapes(); }

  private:
    void tick();
    boost::asio::io_context& io_;
    Board board_;
    HttpListener http_;
    boost::asio::steady_timer clock_;
};

}  // namespace weir
