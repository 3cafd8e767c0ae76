#include "orchestrator/run/outputs.h"

#include <chrono>
#include <utility>
#include <variant>

#include "orchestrator/run/version.h"

namespace weir {
namespace {

/// For the notices of the end.
constexpr Millis last_words{20'000};

}  // namespace

Instant wall_now() { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); }

Outputs::Outputs(boost::asio::io_context& io, Interrupts const& interrupts, RunRequest const& request)
    : io_{io},
      interrupts_{interrupts},
      request_{request},
      instruments_{std::string{version}},
      display_{request.display()},
      notices_{request.plan ? request.plan->notify.held : std::nullopt, [this](Notice notice) {
                   if (notifier_) notifier_->tell(std::move(notice));
               }} {}

std::optional<Problem> Outputs::start() {
    if (request_.plan) {
        auto const& notify = request_.plan->notify;
        auto address = webhook_address(notify);
        if (auto* problem = std::get_if<Problem>(&address)) return *problem;
        if (!notify.webhook.empty() || !notify.command.empty()) {
            Notifier::Config config;
            config.webhook = std::get<std::string>(std::move(address));
            config.command = notify.command;
            config.failed = [this](std::string message) { warn(std::move(message), "the run goes on"); };
            notifier_ = std::make_unique<Notifier>(io_.get_executor(), std::move(config));
        }
    }
    if (request_.http.empty()) return std::nullopt;
    dashboard_ = std::make_unique<DashboardServer>(io_, request_.http, instruments_, request_.database, request_.name);
    if (auto problem = dashboard_->start()) return problem;
    say(Serving{request_.http.substr(0, request_.http.rfind(':') + 1) + std::to_string(dashboard_->port())});
    return std::nullopt;
}

void Outputs::say(decltype(Event::what) what) {
    Event const event{wall_now(), std::move(what)};
    for (auto* listener : listeners()) listener->hear(event);
    if (dashboard_) dashboard_->hear(event);
}

void Outputs::warn(std::string message, std::string hint) {
    Event const event{wall_now(), Warned{std::move(message), std::move(hint)}};
    instruments_.hear(event);
    display_->hear(event);
}

template <class Over>
bool Outputs::wait(Millis most, Over const& over) {
    auto const deadline = std::chrono::steady_clock::now() + most;
    int const interrupted = interrupts_.times();
    io_.restart();
    while (!over() && interrupts_.times() == interrupted && std::chrono::steady_clock::now() < deadline)
        io_.run_one_until(deadline);
    return over();
}

void Outputs::finish() {
    int const interrupted = interrupts_.times();
    if (!wait(last_words, [&] { return !notifier_ || notifier_->idle(); }))
        warn("not everybody was told of the end", "see notify in the plan");
    if (!dashboard_) return;
    dashboard_->say_goodbye();
    if (!request_.linger) return;
    // What begins only now sees the end.
    auto const scrapes = dashboard_->scrapes();
    auto const scraped = [&] { return dashboard_->scrapes() > scrapes; };
    if (interrupts_.times() != interrupted || wait(*request_.linger, scraped)) return;
    if (interrupts_.times() == interrupted)
        warn("/metrics was not scraped once more within --linger",
             "give a time longer than the scrape interval, and see that Prometheus reaches " + request_.http);
}

}  // namespace weir
