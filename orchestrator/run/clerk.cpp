#include "orchestrator/run/clerk.h"

#include <utility>

namespace weir {
namespace {

constexpr Millis orders_poll{5000};
constexpr Millis reconnect_rest{1000};
constexpr Limits small{Millis{1000}, Millis{1500}, Millis{2000}};

}  // namespace

Clerk::Clerk(boost::asio::io_context& io, std::string const& conninfo, std::string plan, RunId run, Session& session)
    : ear_{io.get_executor(), conninfo, "weir " + plan + " ear", [this] { read(); },
           [this](Outcome) { listen_later(); }},
      plan_{std::move(plan)},
      run_{run},
      control_{session},
      poll_{io.get_executor()},
      again_{io.get_executor()} {}

void Clerk::catch_up(Asker& asker, std::function<void(Ordered)> give) {
    give_ = std::move(give);
    take(asker.ask(read_orders(plan_, run_)));
}

void Clerk::start(std::function<void(Lost)> lost) {
    lost_ = std::move(lost);
    listen();
    poll();
}

void Clerk::stop() {
    stopped_ = true;
    poll_.cancel();
    again_.cancel();
}

void Clerk::listen() {
    ear_.listen([this](Outcome outcome) {
        if (stopped_) return;
        if (outcome.fate == Fate::done)
            read();
        else
            listen_later();
    });
}

void Clerk::listen_later() {
    if (stopped_) return;
    again_.in(reconnect_rest, [this] { listen(); });
}

void Clerk::poll() {
    poll_.in(orders_poll, [this] {
        read();
        poll();
    });
}

void Clerk::read() {
    if (stopped_) return;
    control_.execute(read_orders(plan_, run_), Transaction::implicit, small, [this](Outcome outcome) {
        if (stopped_) return;
        // With the control session the leader's lock is gone: somebody else may lead by now.
        if (outcome.fate == Fate::lost || outcome.fate == Fate::in_doubt) lost_({control, outcome.message});
        take(outcome);
    });
}

void Clerk::take(Outcome const& outcome) {
    if (outcome.fate != Fate::done) return;
    for (auto const& row : outcome.rows) {
        auto const field = [&](std::size_t i) { return row.fields[i].value_or(""); };
        auto const id = std::stoll(field(0));
        if (!taken_.insert(id).second) continue;
        auto const word = order_word(field(1));
        // Whoever may insert may write any gate's name.
        if (word == OrderWord::approve && field(2) != "contract") continue;
        if (word) give_({*word, field(2), field(3), id});
        if (stopped_) return;
    }
}

}  // namespace weir
