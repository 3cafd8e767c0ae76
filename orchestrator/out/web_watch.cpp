#include "orchestrator/out/web_watch.h"

#include <boost/asio/steady_timer.hpp>
#include <utility>

namespace weir {

struct WebWatch::World : std::enable_shared_from_this<WebWatch::World> {
    using Read = Reading (*)(CustomSignal const&, Fetched const&);

    struct Watched {
        Watched(boost::asio::any_io_executor const& home, CustomSignal given, std::string address, Read how)
            : signal{std::move(given)}, url{std::move(address)}, read{how}, timer{home} {}
        CustomSignal signal;
        std::string url;
        Read read;
        boost::asio::steady_timer timer;
    };

    World(boost::asio::any_io_executor executor, Config given) : home{std::move(executor)}, config{std::move(given)} {
        for (auto const& signal : config.http)
            watched.push_back(std::make_unique<Watched>(home, signal, signal.url, &http_reading));
        for (auto const& signal : config.prometheus)
            watched.push_back(
                std::make_unique<Watched>(home, signal, prometheus_url(signal.url, signal.query), &prometheus_reading));
    }

    boost::asio::any_io_executor home;
    Config config;
    std::vector<std::unique_ptr<Watched>> watched;
    std::unique_ptr<Fetcher> fetcher;
    bool stopped{};

    void start() {
        if (watched.empty()) return;
        fetcher = std::make_unique<Fetcher>(home, config.limits);
        for (auto const& one : watched) ask(*one);
    }

    void stop() {
        stopped = true;
        for (auto const& one : watched) one->timer.cancel();
        fetcher.reset();
    }

    void ask(Watched& one) {
        fetcher->get(one.url, [this, &one](Fetched const& fetched) {
            config.give(one.read(one.signal, fetched), fetched.at);
            if (stopped) return;
            one.timer.expires_after(config.rest);
            one.timer.async_wait([self = weak_from_this(), &one](boost::system::error_code error) {
                auto const world = self.lock();
                if (!error && world && !world->stopped) world->ask(one);
            });
        });
    }
};

WebWatch::WebWatch(boost::asio::any_io_executor home, Config config)
    : world_{std::make_shared<World>(std::move(home), std::move(config))} {}
WebWatch::~WebWatch() { stop(); }
void WebWatch::start() { world_->start(); }
void WebWatch::stop() { world_->stop(); }

}  // namespace weir
