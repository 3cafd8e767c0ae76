#pragma once
/// Performs the machine's commands on one Asio thread, stamps and feeds its inputs, and passes its events on.
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "orchestrator/machine/dumps.h"
#include "orchestrator/machine/run.h"
#include "orchestrator/postgres/session.h"

namespace weir {

/// Lives on one io thread; every method is called there. The machine is never re-entered: what a command brings is
/// posted.
class Shell {
  public:
    struct Config {
        std::string conninfo;
        std::string plan;                             ///< for application_name
        std::vector<Listener*> listeners;             ///< in this order; they outlive the shell
        std::function<void(Finish const&)> finished;  ///< once; the sessions are closed after it returns
        Dumps* dumps{};  ///< outlives the shell's last input; only a program with a backup needs it
    };

    /// `control` is connected and holds the leader's lock; it belongs to the caller and outlives the shell.
    Shell(boost::asio::any_io_executor home, Config config, RunMachine machine, Session& control);
    ~Shell();
    Shell(Shell const&) = delete;
    Shell& operator=(Shell const&) = delete;

    /// Started, Measured, Ordered, Interrupted or Lost; stamped here. Nothing happens after the machine finished.
    void give(decltype(Input::what) what);
    /// An event from outside the machine.
    void announce(decltype(Event::what) what);

  private:
    struct World;
    std::shared_ptr<World> world_;
};

}  // namespace weir
