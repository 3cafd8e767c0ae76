#pragma once
/// The history of runs for the dashboard: the newest of the ledger as one JSON document (docs/dashboard.md).
#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

namespace weir {

/// Reads the ledger on a session of its own, `weir PLAN history`, which is there only while somebody asks: the run pays
/// nothing for it. Times say how often it is read, however many ask, and when that session is closed.
///
/// Lives on `home`'s thread: constructor, methods, destructor and callbacks.
class History {
  public:
    using Text = std::shared_ptr<std::string const>;
    static constexpr std::size_t most = 50;

    struct Times {
        std::chrono::milliseconds fresh{2000};   ///< for so long nobody needs it anew
        std::chrono::milliseconds idle{60'000};  ///< so long after the last question the session is closed
    };
    History(boost::asio::any_io_executor home, std::string conninfo, std::string const& plan, Times times);
    History(boost::asio::any_io_executor home, std::string conninfo, std::string const& plan);
    ~History();  ///< stop()
    History(History const&) = delete;
    History& operator=(History const&) = delete;

    /// `give` is called once, now or later, and never after stop(); with nothing when the ledger cannot be read.
    void want(std::function<void(Text)> give);
    /// Closes the session. May be called again.
    void stop();

  private:
    struct World;
    std::shared_ptr<World> world_;
};

}  // namespace weir
