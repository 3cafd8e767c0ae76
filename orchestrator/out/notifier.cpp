#include "orchestrator/out/notifier.h"

#include <algorithm>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/json.hpp>
#include <condition_variable>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

#include "plans/utf8.h"

namespace weir {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

std::map<std::string, std::string> variables(Notice const& notice) {
    std::map<std::string, std::string> all{{"WEIR_EVENT", notice.event}, {"WEIR_TEXT", notice.text}};
    for (auto const& [name, value] : notice.fields) {
        std::string upper = "WEIR_" + name;
        for (auto& c : upper)
            if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
        all[upper] = value;
    }
    return all;
}

}  // namespace

std::variant<std::string, Problem> webhook_address(Notify const& notify) {
    if (!notify.webhook.starts_with('$')) return notify.webhook;
    auto const name = notify.webhook.substr(1);
    char const* const value = std::getenv(name.c_str());
    std::string const address = value == nullptr ? "" : value;
    if (address.starts_with("http://") || address.starts_with("https://")) return address;
    // What it holds is a secret.
    return Problem{Code::bad_value,
                   {},
                   "notify.webhook is in the environment variable " + name + ", which " +
                       (address.empty() ? "is not set" : "holds no address"),
                   "export " + name + "=https://… where weir runs, or remove notify.webhook"};
}

std::string to_json(Notice const& notice) {
    json::object object{{"text", as_utf8(notice.text)}, {"event", as_utf8(notice.event)}};
    for (auto const& [name, value] : notice.fields) object[name] = as_utf8(value);
    return json::serialize(object);
}

struct Notifier::World : std::enable_shared_from_this<World> {
    World(asio::any_io_executor e, Config c) : home{std::move(e)}, config{std::move(c)}, timer{home} {
        if (!config.webhook.empty()) fetcher.emplace(home, config.limits.fetch);
        if (!config.command.empty()) hand = std::thread{[this] { work(); }};
    }

    void tell(Notice notice) {
        if (fetcher) {
            keep(posts, notice, "notify.webhook");
            if (!posting) post();
        }
        if (hand.joinable()) {
            std::size_t lost = 0;
            {
                std::lock_guard const lock{mutex};
                while (runs.size() >= config.limits.queue) runs.pop_front(), ++lost;
                runs.push_back(std::move(notice));
            }
            // What was given up is not done any more, and what came is to be done.
            running += 1 - lost;
            working = asio::prefer(home, asio::execution::outstanding_work.tracked);
            if (lost > 0) give_up("notify.command");
            wake.notify_one();
        }
    }
    void give_up(char const* whose) {
        config.failed(std::string{whose} + ": a notice was given up, because " + std::to_string(config.limits.queue) +
                      " newer ones wait");
    }
    void keep(std::deque<Notice>& queue, Notice const& notice, char const* whose) {
        // The first is under way.
        if (queue.size() > config.limits.queue) {
            queue.erase(queue.begin() + 1);
            give_up(whose);
        }
        queue.push_back(notice);
    }

    void post() {
        if (posts.empty()) {
            posting = false;
            return emptied();
        }
        posting = true;
        ++tries;
        fetcher->post(config.webhook, to_json(posts.front()), [this](Fetched fetched) { posted(fetched); });
    }
    void posted(Fetched const& fetched) {
        bool const good = fetched.status >= 200 && fetched.status < 300;
        bool const again =
            fetched.status == 0 || fetched.status == 408 || fetched.status == 429 || fetched.status >= 500;
        if (!good && again && tries < config.limits.tries) {
            auto rest = config.limits.first_rest;
            for (int i = 1; i < tries && rest < config.limits.longest_rest; ++i) rest *= 2;
            timer.expires_after(std::min(rest, config.limits.longest_rest));
            timer.async_wait([self = weak_from_this()](boost::system::error_code error) {
                auto const world = self.lock();
                if (!error && world && !world->over) world->post();
            });
            return;
        }
        if (!good) {
            auto const why = fetched.status == 0
                                 ? fetched.problem
                                 : shown_address(config.webhook) + " answers " + std::to_string(fetched.status);
            config.failed("notify.webhook was not told of \"" + posts.front().event + "\" after " +
                          std::to_string(tries) + (tries == 1 ? " try: " : " tries: ") + why);
        }
        tries = 0;
        posts.pop_front();
        post();
    }

    /// On the command's own thread.
    void work() {
        for (;;) {
            Notice notice;
            {
                std::unique_lock lock{mutex};
                wake.wait(lock, [&] { return stopping || !runs.empty(); });
                if (stopping) return;
                notice = std::move(runs.front());
                runs.pop_front();
            }
            auto came = run_hook(config.command, variables(notice), config.limits.command, [&] {
                std::lock_guard const lock{mutex};
                return stopping;
            });
            asio::post(home, [self = weak_from_this(), came = std::move(came), event = notice.event] {
                auto const world = self.lock();
                if (!world || world->over) return;
                if (!came.good) world->config.failed("notify.command, run for \"" + event + "\": " + came.problem);
                if (--world->running == 0) world->working = {};
                world->emptied();
            });
        }
    }
    void stop() {
        over = true;
        working = {};
        timer.cancel();
        fetcher.reset();
        {
            std::lock_guard const lock{mutex};
            stopping = true;
        }
        wake.notify_one();
        if (hand.joinable()) hand.join();
    }
    bool idle() const { return !posting && running == 0; }
    void emptied() const {
        if (idle() && config.emptied) config.emptied();
    }

    asio::any_io_executor home;
    Config config;
    asio::steady_timer timer;
    std::optional<Fetcher> fetcher;
    std::deque<Notice> posts;  ///< the first is under way
    bool posting{}, over{};
    int tries{};
    std::size_t running{};            ///< notices for the command that are not done
    asio::any_io_executor working{};  ///< `home` does not run dry while the command runs
    std::mutex mutex;
    std::condition_variable wake;
    std::deque<Notice> runs;  ///< this and the next are the mutex's
    bool stopping{};
    std::thread hand;
};

Notifier::Notifier(asio::any_io_executor home, Config config)
    : world_{std::make_shared<World>(std::move(home), std::move(config))} {}
Notifier::~Notifier() { world_->stop(); }
void Notifier::tell(Notice notice) { world_->tell(std::move(notice)); }
bool Notifier::idle() const { return world_->idle(); }

}  // namespace weir
