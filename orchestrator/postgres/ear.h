#pragma once
/// LISTEN on the channel `weir`, without polling and without a blocked io thread.
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>

#include "orchestrator/machine/protocol.h"

namespace weir {

/// A connection of its own on a thread of its own. What is called back is posted to `home`; a wake-up carries no
/// payload, because whoever may connect may notify: read the orders from the ledger. After every connect read them
/// once, and go on reading them slowly beside it: a black hole sends nothing. Methods are for `home`'s thread only.
class Ear {
  public:
    using Reply = std::function<void(Outcome)>;
    using Woken = std::function<void()>;
    using Lost = std::function<void(Outcome)>;

    Ear(boost::asio::any_io_executor home, std::string conninfo, std::string application_name, Woken woken, Lost lost);
    ~Ear();  ///< joins its thread; nothing is called back afterwards
    Ear(Ear const&) = delete;
    Ear& operator=(Ear const&) = delete;

    /// Connects and listens; one reply for each call, Fate::done when it hears. May be called again after a loss.
    void listen(Reply reply);

  private:
    struct World;
    std::unique_ptr<World> world_;
};

}  // namespace weir
