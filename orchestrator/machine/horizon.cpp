#include "orchestrator/machine/horizon.h"

namespace weir {

bool Patience::wait(Millis now) {
    if (!began_) began_ = now;
    if (!waiting_) waiting_ = now;
    auto const this_time = now - *waiting_;
    auto const worked = *waiting_ - *began_ - waited_;
    return this_time < at_a_time && waited_ + this_time < at_a_time + worked / share;
}

void Patience::work(Millis now) {
    if (!began_) began_ = now;
    if (waiting_) waited_ += now - *waiting_;
    waiting_.reset();
}

void Horizon::read(std::optional<std::string> const& word, Millis now) {
    if (!word) return;
    xid_ = std::stoll(*word);
    read_ = now;
}

Horizon::Turn Horizon::wait(Millis now) {
    bool const first = !waiting_;
    if (!patience_.wait(now) && !first) {
        work(now);
        return Turn::give_up;
    }
    waiting_ = true;
    return first || !read_ || now - *read_ >= rest ? Turn::read : Turn::rest;
}

void Horizon::work(Millis now) {
    waiting_ = false;
    patience_.work(now);
}

}  // namespace weir
