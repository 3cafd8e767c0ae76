#pragma once
/// SIGINT, SIGTERM, and the SIGHUP of a terminal that is closed; under nohup that one is not heard.
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <functional>

namespace weir {

/// Heard from the first moment on, whenever the io_context runs: whoever works hears of them, and who comes next asks
/// times().
class Interrupts {
  public:
    explicit Interrupts(boost::asio::io_context& io);

    /// `give` gets how many there were so far; nothing: nobody works.
    void tell(std::function<void(int times)> give) { give_ = std::move(give); }
    int times() const { return times_; }

  private:
    void hear();

    boost::asio::signal_set signals_;
    std::function<void(int)> give_;
    int times_{};
};

}  // namespace weir
