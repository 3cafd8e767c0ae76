#pragma once
/// Asks the plan's HTTP checks and Prometheus queries again and again.
#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <vector>

#include "orchestrator/out/web_signal.h"

namespace weir {

/// Each is asked a second after its last answer, by itself: one that hangs delays no other. Lives on `home`'s thread:
/// constructor, methods, destructor and callbacks.
class WebWatch {
  public:
    struct Config {
        std::vector<CustomSignal> http, prometheus;  ///< of the plan's throttle
        /// One reading, whenever one is answered; limit 0 for the caller to fill (1 for an HTTP check without a limit
        /// of its own), and the steady time that it was known.
        std::function<void(Reading, Millis at)> give;
        Millis rest{1000};  ///< between an answer and the next request
        FetchLimits limits{};
    };

    WebWatch(boost::asio::any_io_executor home, Config config);
    ~WebWatch();  ///< stop()
    WebWatch(WebWatch const&) = delete;
    WebWatch& operator=(WebWatch const&) = delete;

    void start();
    /// Nothing is called back afterwards. May be called inside the callback, and again.
    void stop();

  private:
    struct World;
    std::shared_ptr<World> world_;
};

}  // namespace weir
