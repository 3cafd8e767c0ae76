#include "orchestrator/run/interrupts.h"

#include <csignal>

namespace weir {

Interrupts::Interrupts(boost::asio::io_context& io) : signals_{io, SIGINT, SIGTERM} {
    struct sigaction now {};
    if (::sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler != SIG_IGN) signals_.add(SIGHUP);
    hear();
}

void Interrupts::hear() {
    signals_.async_wait([this](boost::system::error_code error, int) {
        if (error) return;
        ++times_;
        // It may be exchanged inside.
        if (auto const give = give_) give(times_);
        hear();
    });
}

}  // namespace weir
