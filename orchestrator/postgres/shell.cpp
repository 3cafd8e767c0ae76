#include "orchestrator/postgres/shell.h"

#include <boost/asio/steady_timer.hpp>
#include <csignal>
#include <cstdlib>
#include <map>
#include <optional>
#include <utility>

namespace weir {
namespace {

Stamp now() {
    using namespace std::chrono;
    return {time_point_cast<milliseconds>(system_clock::now()),
            duration_cast<milliseconds>(steady_clock::now().time_since_epoch())};
}

constexpr std::chrono::seconds tick_every{5};

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

#ifdef WEIR_FAILPOINTS
/// WEIR_CRASH=before:17 kills the program when it is about to send its 17th string; `after:17` when the answer is there
/// and nobody has looked at it yet. WEIR_HALT=17 stops it there by SIGSTOP, `17+` before each later one, too.
struct Failpoint {
    bool before{};
    long at{};
    long halts_at{};
    bool halts_on{};
    long sent{}, answered{};

    Failpoint() {
        if (char const* text = std::getenv("WEIR_CRASH")) {
            std::string const word{text};
            auto const colon = word.find(':');
            before = word.substr(0, colon) == "before";
            at = std::atol(word.c_str() + colon + 1);
        }
        if (char const* text = std::getenv("WEIR_HALT")) {
            halts_at = std::atol(text);
            halts_on = std::string{text}.ends_with('+');
        }
    }
    void sending() {
        if (++sent == at && before) std::raise(SIGKILL);
        if (halts_at > 0 && (sent == halts_at || (halts_on && sent > halts_at))) std::raise(SIGSTOP);
    }
    void hearing() {
        if (++answered == at && !before) std::raise(SIGKILL);
    }
};
#else
struct Failpoint {
    void sending() {}
    void hearing() {}
};
#endif

}  // namespace

struct Shell::World : std::enable_shared_from_this<Shell::World> {
    World(boost::asio::any_io_executor e, Config c, RunMachine m, Session& s)
        : home{std::move(e)}, config{std::move(c)}, machine{std::move(m)}, control_session{&s} {}

    boost::asio::any_io_executor home;
    Config config;
    RunMachine machine;
    Session* control_session;
    std::map<SessionId, std::unique_ptr<Session>> hands;
    std::map<CommandId, SessionId> running;
    std::map<CommandId, std::unique_ptr<boost::asio::steady_timer>> resting;
    std::optional<CommandId> dumping;
    Failpoint failpoint;
    bool over{};
    boost::asio::steady_timer ticking{home};

    void tick() {
        ticking.expires_after(tick_every);
        ticking.async_wait([self = weak_from_this()](boost::system::error_code error) {
            auto const world = self.lock();
            if (error || !world || world->over) return;
            world->give(Ticked{});
            world->tick();
        });
    }

    Session& session(SessionId id) { return id == control ? *control_session : *hands.at(id); }

    void give(decltype(Input::what) what) {
        if (over) return;
        for (auto& command : machine.resume(Input{now(), std::move(what)})) perform(std::move(command));
    }

    void hear(Event const& event) const {
        for (auto* listener : config.listeners) listener->hear(event);
    }

    /// The answer to a command; posted by the session or the timer, so never inside give().
    Session::Reply reply(CommandId id) {
        return [self = shared_from_this(), id](Outcome outcome) {
            self->running.erase(id);
            self->failpoint.hearing();
            self->give(Completed{id, std::move(outcome)});
        };
    }

    void perform(Command command) {
        if (over) return;
        std::visit(Overloaded{
                       [&](Connect& c) {
                           auto const n = static_cast<int>(c.session);
                           hands[c.session] = std::make_unique<Session>(
                               home, config.conninfo,
                               SessionRole{"weir " + config.plan + " hand " + std::to_string(n), true});
                           running[c.id] = c.session;
                           hands[c.session]->connect(reply(c.id));
                       },
                       [&](Execute& c) {
                           failpoint.sending();
                           running[c.id] = c.session;
                           session(c.session).execute(std::move(c.batch), c.transaction, c.limits, reply(c.id));
                       },
                       [&](Rest& c) {
                           auto timer = std::make_unique<boost::asio::steady_timer>(home, c.time);
                           timer->async_wait([self = shared_from_this(), id = c.id](boost::system::error_code error) {
                               self->resting.erase(id);
                               Outcome outcome;
                               if (error) outcome.fate = Fate::canceled;
                               self->give(Completed{id, std::move(outcome)});
                           });
                           resting[c.id] = std::move(timer);
                       },
                       [&](Dump& c) {
                           failpoint.sending();
                           dumping = c.id;
                           config.dumps->dump(c, [self = weak_from_this(), id = c.id](Outcome outcome) {
                               auto const world = self.lock();
                               if (!world) return;
                               world->dumping.reset();
                               world->reply(id)(std::move(outcome));
                           });
                       },
                       [&](Look& c) {
                           config.dumps->look(c, [self = weak_from_this(), id = c.id](Outcome outcome) {
                               if (auto const world = self.lock()) world->reply(id)(std::move(outcome));
                           });
                       },
                       [&](Cancel& c) {
                           if (dumping == c.target) config.dumps->cancel();
                           if (auto const timer = resting.find(c.target); timer != resting.end())
                               timer->second->cancel();
                           if (auto const at = running.find(c.target); at != running.end())
                               session(at->second).cancel();
                       },
                       [&](Announce& c) { hear(c.event); },
                       [&](Finish& c) {
                           over = true;
                           ticking.cancel();
                           config.finished(c);
                       },
                   },
                   command);
    }
};

Shell::Shell(boost::asio::any_io_executor home, Config config, RunMachine machine, Session& control_session)
    : world_{std::make_shared<World>(std::move(home), std::move(config), std::move(machine), control_session)} {}

Shell::~Shell() {
    world_->over = true;
    world_->ticking.cancel();
    world_->resting.clear();
    world_->hands.clear();
}

void Shell::give(decltype(Input::what) what) {
    if (std::holds_alternative<Started>(what)) world_->tick();
    world_->give(std::move(what));
}

void Shell::announce(decltype(Event::what) what) { world_->hear(Event{now().wall, std::move(what)}); }

}  // namespace weir
