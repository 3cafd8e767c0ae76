#pragma once
/// A timer for objects that may go before its time.
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <utility>

#include "plans/event.h"

namespace weir {

/// Calls back on the io_context's thread, at most once a setting, and never after it was cancelled, set anew or
/// destroyed: a timer of asio calls whoever it has in its queue already, with success. One thread.
class Alarm {
  public:
    explicit Alarm(boost::asio::any_io_executor executor) : timer_{std::move(executor)} {}

    void in(Millis time, std::function<void()> then) {
        due_ = std::make_shared<std::function<void()>>(std::move(then));
        timer_.expires_after(time);
        timer_.async_wait([due = std::weak_ptr{due_}](boost::system::error_code error) {
            auto const rings = due.lock();
            if (!error && rings) (*rings)();
        });
    }
    void cancel() {
        due_.reset();
        timer_.cancel();
    }

  private:
    boost::asio::steady_timer timer_;
    std::shared_ptr<std::function<void()>> due_;
};

}  // namespace weir
