#include "orchestrator/run/dashboard.h"

#include "metrics/event_json.h"
#include "orchestrator/run/version.h"

namespace weir {
namespace {

constexpr std::chrono::seconds period{1};
constexpr Millis patience{500};
constexpr std::chrono::seconds history_period{10};

Instant wall_now() { return std::chrono::time_point_cast<Millis>(std::chrono::system_clock::now()); }

std::string sql_of(Step const& step) {
    std::string text;
    for (auto const& statement : statements(step)) text += (text.empty() ? "" : "\n") + statement.text() + ";";
    return text;
}

}  // namespace

DashboardServer::DashboardServer(boost::asio::io_context& io, std::string address, Instruments const& instruments,
                                 std::string conninfo, std::string const& plan)
    : io_{io},
      board_{Board::Config{.version = std::string{version},
                           .to_json = [](Event const& event) { return to_json(event); },
                           .tell = [this](std::string_view kind, std::string const& json) { http_.tell(kind, json); }}},
      history_{io.get_executor(), std::move(conninfo), plan},
      http_{io.get_executor(), std::move(address),
            HttpSite{[&instruments] { return instruments.text(); }, [this] { return board_.run(wall_now()); },
                     [this] { return board_.ready(); },
                     [this](std::function<void(HttpBody)> give) { history_.want(std::move(give)); }}},
      clock_{io} {}

DashboardServer::~DashboardServer() {
    history_.stop();
    http_.stop();
}

std::optional<Problem> DashboardServer::start() {
    if (auto problem = http_.start()) return problem;
    tick();
    return std::nullopt;
}

void DashboardServer::hear(Event const& event) noexcept {
    board_.hear(event);
    // The list has one more line now, or another state in one.
    if (std::holds_alternative<RunBegan>(event.what)) history_due_ = {};
}

void DashboardServer::program(Program const& program, std::set<std::string> const& done) {
    std::vector<BoardStep> steps;
    for (auto const& step : program.steps)
        steps.push_back({.id = step.id,
                         .title = step.title,
                         .kind = std::string{kind_name(step)},
                         .sql = sql_of(step),
                         .phase = step.phase,
                         .locks = step.forward.holds,
                         .notes = step.notes,
                         .done = done.contains(step.id)});
    board_.steps(std::move(steps), program.gate, wall_now());
}

void DashboardServer::say_goodbye() {
    board_.tick(wall_now());
    boost::asio::steady_timer limit{io_, patience};
    bool over = false;
    limit.async_wait([&](boost::system::error_code) { over = true; });
    io_.restart();
    while (!over && http_.telling() && io_.run_one() > 0) {
    }
    limit.cancel();
    io_.poll();
}

void DashboardServer::tick() {
    clock_.expires_after(period);
    clock_.async_wait([this](boost::system::error_code error) {
        if (error) return;
        board_.tick(wall_now());
        show_history();
        tick();
    });
}

void DashboardServer::show_history() {
    auto const streams = http_.streams_ever();
    auto const now = std::chrono::steady_clock::now();
    if (http_.streams() == 0 || (streams == streams_told_ && now < history_due_)) return;
    history_due_ = now + history_period;
    history_.want([this, streams](History::Text const& text) {
        bool const others = std::exchange(streams_told_, streams) != streams;
        if (!text || (!others && history_told_ && *history_told_ == *text)) return;
        history_told_ = text;
        http_.tell("runs", *text);
    });
}

}  // namespace weir
