#include "orchestrator/cli/progress.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <map>
#include <utility>

#include "metrics/rate.h"
#include "orchestrator/cli/status.h"
#include "orchestrator/cli/text.h"
#include "plans/sql.h"

namespace weir {
namespace {

constexpr std::size_t backlog = 1 << 20;
constexpr Millis redraw{200};
constexpr Millis report{10'000};

// ---- words and figures ----------------------------------------------------------------------------------------------

std::string decimal(double value, int digits) {
    std::string text(64, '\0');
    text.resize(
        static_cast<std::size_t>(std::clamp(std::snprintf(text.data(), text.size(), "%.*f", digits, value), 0, 63)));
    return text;
}

std::string short_number(double value) {
    struct Unit {
        double size;
        char const* name;
    };
    for (auto const& unit : {Unit{1e9, "G"}, Unit{1e6, "M"}, Unit{1e3, "k"}})
        if (value >= unit.size * 0.9995) {
            auto const count = value / unit.size;
            return decimal(count, count < 99.95 ? 1 : 0) + unit.name;
        }
    return decimal(value, 0);
}

std::string duration(Millis time) {
    auto const ms = std::max<std::int64_t>(time.count(), 0);
    if (ms < 1000) return std::to_string(ms) + " ms";
    if (ms < 60'000) return decimal(static_cast<double>(ms) / 1000.0, 1) + " s";
    auto const seconds = ms / 1000;
    if (seconds < 3600) return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
    if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + " h " + std::to_string(seconds / 60 % 60) + " min";
    return std::to_string(seconds / 86400) + " d " + std::to_string(seconds / 3600 % 24) + " h";
}

/// `7 to 9 min left`, in the unit that suits the long end. A range that is narrower than its unit is the one figure.
std::string left_words(Millis left, std::optional<Rate::Range> const& range) {
    auto one = duration(left) + " left";
    if (!range) return one;
    struct Unit {
        std::int64_t below, seconds;
        char const* name;
    };
    constexpr std::array units{Unit{120, 1, "s"}, Unit{120 * 60, 60, "min"}, Unit{48 * 3600, 3600, "h"},
                               Unit{std::numeric_limits<std::int64_t>::max(), 86400, "d"}};
    auto const low = range->low.count(), high = range->high.count();
    auto const& unit = *std::ranges::find_if(units, [&](auto const& u) { return high < u.below; });
    auto const rounded = [&](std::int64_t n) { return (n + unit.seconds / 2) / unit.seconds; };
    if (rounded(low) == rounded(high)) return one;
    auto const from = rounded(low) == 0 ? std::string{"up"} : std::to_string(rounded(low));
    return from + " to " + std::to_string(rounded(high)) + " " + unit.name + " left";
}

/// `pid 42 (user web, …)` as `pid 42`.
std::vector<std::string> without_what_they_do(std::vector<std::string> blockers) {
    for (auto& blocker : blockers) blocker = blocker.substr(0, blocker.find(" ("));
    return blockers;
}

// ---- JSON -----------------------------------------------------------------------------------------------------------

std::string quoted(std::string_view text) {
    std::string out{"\""};
    for (std::size_t i = 0; i < text.size();) {
        auto const byte = static_cast<unsigned char>(text[i]);
        std::size_t const length = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        auto const character = text.substr(i, length);
        if (byte == '"' || byte == '\\') {
            (out += '\\') += text[i];
        } else if (byte < 0x20) {
            constexpr std::string_view hex = "0123456789abcdef";
            ((out += "\\u00") += hex[byte >> 4]) += hex[byte & 15];
        } else if (byte < 0x80) {
            out += text[i];
        } else if (character.size() == length && is_utf8(character)) {
            out += character;
        } else {
            out += "\xEF\xBF\xBD";
            ++i;
            continue;
        }
        i += length;
    }
    return out + '"';
}

class Json {
  public:
    Json() = default;
    Json(Instant at, std::string_view event) {
        add("at", iso(at, true));
        add("event", event);
    }
    Json& add(std::string_view key, std::string_view value) { return raw(key, quoted(value)); }
    Json& add(std::string_view key, std::string const& value) { return raw(key, quoted(value)); }
    Json& add(std::string_view key, char const* value) = delete;
    Json& add(std::string_view key, std::int64_t value) { return raw(key, std::to_string(value)); }
    Json& add(std::string_view key, int value) { return raw(key, std::to_string(value)); }
    Json& add(std::string_view key, bool value) { return raw(key, value ? "true" : "false"); }
    Json& add(std::string_view key, Millis value) { return raw(key, std::to_string(value.count())); }
    Json& add(std::string_view key, std::vector<std::string> const& values) {
        std::vector<std::string> items;
        for (auto const& value : values) items.push_back(quoted(value));
        return raw(key, "[" + joined(items, ",") + "]");
    }
    Json& raw(std::string_view key, std::string const& value) {
        if (!text_.empty()) text_ += ",";
        text_ += quoted(key) + ":" + value;
        return *this;
    }
    std::string text() const { return "{" + text_ + "}"; }

  private:
    std::string text_;
};

/// Who is in the way, as `audience` may see it.
std::vector<std::string> shown(std::vector<std::string> const& blockers, std::vector<Sealed> const& seen,
                               Audience audience) {
    if (audience != Audience::terminal || seen.size() != blockers.size()) return blockers;
    std::vector<std::string> texts;
    for (auto const& one : seen) texts.push_back(one.reveal());
    return texts;
}

std::string shown(std::string const& blocker, Sealed const& seen, Audience audience) {
    return audience == Audience::terminal && !seen.empty() ? seen.reveal() : blocker;
}

std::vector<std::string> shown(std::vector<Sealed> const& keys, Audience audience) {
    std::vector<std::string> texts;
    if (audience == Audience::terminal)
        for (auto const& key : keys) texts.push_back(key.reveal());
    return texts;
}

struct ToJson {
    Instant at;
    Audience audience;
    /// Elsewhere the member is not there at all.
    Json& with(Json& made, Sealed const& more) const {
        return audience == Audience::terminal ? made.add("more", lines_of(more.reveal())) : made;
    }
    std::string operator()(RunBegan const& e) const {
        return Json{at, "run_began"}
            .add("plan", e.plan)
            .add("run", e.run)
            .add("resumed", e.resumed)
            .add("steps", e.steps)
            .text();
    }
    std::string operator()(PhaseBegan const& e) const {
        return Json{at, "phase_began"}.add("phase", name(e.phase)).text();
    }
    std::string operator()(StepBegan const& e) const {
        return Json{at, "step_began"}.add("step", e.step).add("title", e.title).add("phase", name(e.phase)).text();
    }
    std::string operator()(StepDone const& e) const {
        return Json{at, "step_done"}
            .add("step", e.step)
            .add("title", e.title)
            .add("phase", name(e.phase))
            .add("took_ms", e.took)
            .text();
    }
    std::string operator()(StepUndone const& e) const {
        return Json{at, "step_undone"}.add("step", e.step).add("title", e.title).add("took_ms", e.took).text();
    }
    std::string operator()(WorkKnown const& e) const {
        return Json{at, "work_known"}
            .add("step", e.step)
            .add("table", e.table)
            .add("pages", e.pages)
            .add("pages_done", e.pages_done)
            .add("rows_estimate", e.rows_estimate)
            .add("rows_done", e.rows_done)
            .add("proof", e.proof)
            .text();
    }
    std::string operator()(BatchDone const& e) const {
        return Json{at, "batch_done"}
            .add("step", e.step)
            .add("table", e.table)
            .add("pages", e.pages)
            .add("rows", e.rows)
            .add("took_ms", e.took)
            .add("proof", e.proof)
            .add("hot", e.hot)
            .text();
    }
    std::string operator()(BatchRetried const& e) const {
        return Json{at, "batch_retried"}.add("step", e.step).add("table", e.table).add("reason", e.reason).text();
    }
    std::string operator()(WayChanged const& e) const {
        return Json{at, "way_changed"}
            .add("step", e.step)
            .add("table", e.table)
            .add("way", std::string{name(e.way)})
            .add("reason", e.reason)
            .text();
    }
    std::string operator()(WorkersChanged const& e) const {
        return Json{at, "workers_changed"}.add("step", e.step).add("workers", e.workers).add("reason", e.reason).text();
    }
    std::string operator()(Vacuumed const& e) const {
        return Json{at, "vacuumed"}
            .add("step", e.step)
            .add("table", e.table)
            .add("dead_rows", e.dead_rows)
            .add("took_ms", e.took)
            .text();
    }
    std::string operator()(LockTried const& e) const {
        return Json{at, "lock_tried"}
            .add("step", e.step)
            .add("got", e.got)
            .add("waited_ms", e.waited)
            .add("blockers", shown(e.blockers, e.seen, audience))
            .text();
    }
    std::string operator()(BlockerEnded const& e) const {
        return Json{at, "blocker_ended"}
            .add("step", e.step)
            .add("how", std::string{e.session ? "terminated" : "canceled"})
            .add("blocker", shown(e.blocker, e.seen, audience))
            .text();
    }
    std::string operator()(WaitsFor const& e) const {
        return Json{at, "waits_for"}.add("step", e.step).add("blockers", shown(e.blockers, e.seen, audience)).text();
    }
    std::string operator()(PaceChanged const& e) const {
        auto const pace = std::isfinite(e.pace) ? decimal(e.pace, 3) : std::string{"null"};
        return Json{at, "pace_changed"}.raw("pace", pace).add("reasons", e.reasons).text();
    }
    std::string operator()(ReplicaLag const& e) const {
        return Json{at, "replica_lag"}
            .add("replica", e.replica)
            .raw("lag_ms", e.lag ? std::to_string(e.lag->count()) : "null")
            .add("bytes", e.bytes)
            .text();
    }
    std::string operator()(SignalsJudged const& e) const {
        std::string all;
        for (auto const& one : e.signals) {
            auto const number = [](std::optional<double> value) {
                return value && std::isfinite(*value) ? decimal(*value, 3) : std::string{"null"};
            };
            all += (all.empty() ? "" : ",") + Json{}
                                                  .add("signal", one.signal)
                                                  .add("subject", one.subject)
                                                  .add("unit", one.unit)
                                                  .raw("value", number(one.value))
                                                  .raw("limit", one.limit > 0 ? number(one.limit) : "null")
                                                  .raw("load", number(one.load))
                                                  .add("age_ms", one.age)
                                                  .add("holds", one.holds)
                                                  .add("problem", one.problem)
                                                  .text();
        }
        return Json{at, "signals_judged"}.raw("signals", "[" + all + "]").text();
    }
    std::string operator()(ForecastMade const& e) const {
        auto const time = [](std::optional<Instant> when) {
            return when ? quoted(iso(*when, true)) : std::string{"null"};
        };
        return Json{at, "forecast_made"}
            .add("step", e.step)
            .raw("low", time(e.low))
            .raw("high", time(e.high))
            .add("openings_low", e.openings_low)
            .add("openings_high", e.openings_high)
            .raw("closes", time(e.closes))
            .add("text", e.text)
            .text();
    }
    std::string operator()(Paused const& e) const { return Json{at, "paused"}.add("user", e.user).text(); }
    std::string operator()(Resumed const& e) const { return Json{at, "resumed"}.add("user", e.user).text(); }
    std::string operator()(SettingChanged const& e) const {
        return Json{at, "setting_changed"}.add("key", e.key).add("value", e.value).add("user", e.user).text();
    }
    std::string operator()(GateOpened const& e) const {
        return Json{at, "gate_opened"}.add("gate", e.gate).add("notes", e.notes).text();
    }
    std::string operator()(GateVoted const& e) const {
        return Json{at, "gate_voted"}
            .add("gate", e.gate)
            .add("user", e.user)
            .add("have", e.have)
            .add("needed", e.needed)
            .text();
    }
    std::string operator()(GateApproved const& e) const {
        return Json{at, "gate_approved"}.add("gate", e.gate).add("user", e.user).text();
    }
    std::string operator()(ProofDone const& e) const {
        return Json{at, "proof_done"}
            .add("step", e.step)
            .add("table", e.table)
            .add("rows_wrong", e.rows_wrong)
            .add("keys", shown(e.keys, audience))
            .text();
    }
    std::string operator()(DumpGrew const& e) const {
        return Json{at, "dump_grew"}.add("step", e.step).add("bytes", e.bytes).text();
    }
    std::string operator()(BackedUp const& e) const {
        return Json{at, "backed_up"}
            .add("step", e.step)
            .add("file", e.file)
            .add("bytes", e.bytes)
            .add("sha256", e.sha256)
            .text();
    }
    std::string operator()(TableSized const& e) const {
        return Json{at, "table_sized"}
            .add("table", e.table)
            .add("bytes", e.bytes)
            .add("bytes_before", e.bytes_before)
            .add("dead_rows", e.dead_rows)
            .text();
    }
    std::string operator()(OrderTaken const& e) const {
        return Json{at, "order_taken"}.add("order", e.order).add("argument", e.argument).add("user", e.user).text();
    }
    std::string operator()(Warned const& e) const {
        return with(Json{at, "warned"}.add("message", e.message).add("hint", e.hint), e.more).text();
    }
    std::string operator()(ConnectionLost const& e) const {
        return Json{at, "connection_lost"}.add("message", e.message).text();
    }
    std::string operator()(Stopped const& e) const {
        return with(Json{at, "stopped"}
                        .add("code", name(e.why.code))
                        .add("message", e.why.message)
                        .add("hint", e.why.hint)
                        .add("exit", exit_code(e.why.code)),
                    e.why.more)
            .text();
    }
    std::string operator()(RunDone const& e) const {
        return Json{at, "run_done"}.add("state", name(e.state)).add("took_ms", e.took).add("until", e.until).text();
    }
};

// ---- the descriptor -------------------------------------------------------------------------------------------------

/// Keeps SIGPIPE from ending the program while this thread writes, and takes the one that it caused itself.
class WithoutSigpipe {
  public:
    WithoutSigpipe() {
        sigemptyset(&pipe_);
        sigaddset(&pipe_, SIGPIPE);
        sigset_t pending;
        sigpending(&pending);
        was_pending_ = sigismember(&pending, SIGPIPE) == 1;
        pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
    }
    ~WithoutSigpipe() {
        if (!was_pending_) {
            timespec const now{};
            while (sigtimedwait(&pipe_, nullptr, &now) == -1 && errno == EINTR) {
            }
        }
        pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    }
    WithoutSigpipe(WithoutSigpipe const&) = delete;
    WithoutSigpipe& operator=(WithoutSigpipe const&) = delete;

  private:
    sigset_t pipe_{}, before_{};
    bool was_pending_{};
};

class Out {
  public:
    Out(int fd, bool json) : fd_{fd}, terminal_{::isatty(fd) == 1}, json_{json} {}

    void line(std::string text) {
        if (gone_) return;
        if (waiting_.size() + text.size() > backlog) flush({});
        if (waiting_.size() + text.size() > backlog) {
            ++dropped_;
            return;
        }
        auto const count = std::to_string(dropped_);
        if (dropped_ > 0 && json_) waiting_ += R"({"event":"lines_dropped","count":)" + count + "}\n";
        if (dropped_ > 0 && !json_) waiting_ += "(" + count + " lines were dropped: the reader was too slow)\n";
        dropped_ = 0;
        waiting_ += text;
        flush({});
    }
    /// For what is out of date in a moment.
    bool idle() const { return waiting_.empty() && !gone_; }

    void flush(Millis patience) {
        WithoutSigpipe const guard;
        auto const deadline = std::chrono::steady_clock::now() + patience;
        while (!waiting_.empty() && !gone_) {
            pollfd ready{fd_, POLLOUT, 0};
            auto const left = std::chrono::ceil<Millis>(deadline - std::chrono::steady_clock::now());
            auto const count = ::poll(&ready, 1, static_cast<int>(std::max(left, Millis{0}).count()));
            if (count < 0 && errno == EINTR) continue;
            if (count <= 0) return;
            // A descriptor that is ready takes this much without blocking: a pipe PIPE_BUF, a terminal less.
            auto const some = std::min<std::size_t>(waiting_.size(), terminal_ ? 256 : 4096);
            auto const written = ::write(fd_, waiting_.data(), some);
            if (written > 0)
                waiting_.erase(0, static_cast<std::size_t>(written));
            else if (errno == EAGAIN)
                return;
            else if (errno != EINTR)
                gone_ = true;
        }
    }
    int width() const {
        winsize size{};
        if (::ioctl(fd_, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
        return 80;
    }

  private:
    int fd_;
    bool terminal_, json_;
    bool gone_{};
    std::string waiting_;
    std::int64_t dropped_{};
};

/// The fill or proof that is going on.
struct Work {
    std::string step, table;
    bool proof{};
    std::int64_t pages{}, pages_done{}, rows_estimate{}, rows_done{};
    std::int64_t written{}, hot{};  ///< by this process
    Rate page_rate, row_rate;
    Instant said;  ///< when its last line was written (plain)
    int said_percent{};
};

}  // namespace

std::string to_json(Event const& event, Audience audience) { return std::visit(ToJson{event.at, audience}, event.what); }

Audience audience_of(int fd) { return ::isatty(fd) == 1 ? Audience::terminal : Audience::anybody; }

std::optional<ProgressMode> progress_mode(std::string_view word) {
    if (word == "auto") return ProgressMode::automatic;
    if (word == "bar") return ProgressMode::bar;
    if (word == "plain") return ProgressMode::plain;
    if (word == "json") return ProgressMode::json;
    if (word == "none") return ProgressMode::none;
    return {};
}

ProgressMode resolve(ProgressMode mode, int fd) {
    if (mode != ProgressMode::automatic) return mode;
    char const* const term = std::getenv("TERM");
    bool const redraws = ::isatty(fd) == 1 && term != nullptr && *term != '\0' && std::string_view{term} != "dumb";
    return redraws ? ProgressMode::bar : ProgressMode::plain;
}

struct Progress::World {
    World(int fd, ProgressMode m, int w)
        : out{fd, m == ProgressMode::json}, mode{resolve(m, fd)}, audience{audience_of(fd)}, width{w} {}

    /// A line that lasts. In bar mode it goes above the bar.
    void say(std::string const& text) {
        if (mode == ProgressMode::bar) {
            erase();
            out.line(printable(text) + "\n");
        } else {
            out.line(iso(at, false) + " " + printable(text) + "\n");
        }
    }
    void detail(std::string const& text) {
        if (mode == ProgressMode::plain) say(text);
    }
    void more(Sealed const& lines) {
        if (audience == Audience::terminal)
            for (auto const& line : lines_of(lines.reveal())) say("  " + line);
        else if (!lines.empty())
            say("  " + std::string{withheld});
    }
    void hint(std::string const& text) {
        if (!text.empty()) say("  hint: " + text);
    }
    void erase() {
        if (drawn) out.line("\r\x1b[K");
        drawn = false;
    }
    void draw(bool now);
    std::string bar_line() const;
    std::string tail() const;
    static int percent(Work const& of) {
        if (of.pages <= 0) return 100;
        return static_cast<int>(std::clamp<std::int64_t>(of.pages_done * 100 / of.pages, 0, 100));
    }
    static std::string counts(Work const& of) {
        // A table that was never analyzed has no estimate.
        return std::to_string(of.rows_done) +
               (of.rows_estimate > 0 ? " of about " + std::to_string(of.rows_estimate) : "") + " rows";
    }

    /// Updates whose new version stayed on its page, of those that this process made.
    static std::optional<std::string> in_place(Work const& of) {
        if (of.proof || of.written <= 0) return {};
        return std::to_string(std::clamp<std::int64_t>(of.hot * 100 / of.written, 0, 100)) + " % in place";
    }
    static std::string because(std::string const& reason) { return reason.empty() ? "" : ", because " + reason; }
    static std::string counted(std::int64_t n, char const* what) {
        return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
    }

    void operator()(RunBegan const& e) {
        plan = e.plan;
        say("run " + std::to_string(e.run) + " of plan " + e.plan + (e.resumed ? " goes on, " : " begins, ") +
            std::to_string(e.steps) + " steps");
    }
    void operator()(PhaseBegan const& e) {
        phase = name(e.phase);
        say("phase " + phase);
    }
    void operator()(StepBegan const& e) {
        title = e.title;
        work.reset();
        dumping.reset();
        phase = name(e.phase);
        busy_tries = 0;
        proving = e.phase == Phase::proof;
        detail(e.step + " begins: " + e.title);
    }
    void operator()(StepDone const& e) {
        work.reset();
        busy_tries = 0;
        title.clear();
        say(e.step + " done in " + duration(e.took) + ": " + e.title);
    }
    void operator()(StepUndone const& e) {
        work.reset();
        title.clear();
        say(e.step + " undone in " + duration(e.took) + ": " + e.title);
    }
    void operator()(WorkKnown const& e) {
        bool const fresh = !work || work->step != e.step || work->table != e.table;
        if (fresh) {
            work.emplace();
            work->step = e.step;
            work->table = e.table;
            work->proof = e.proof || proving;
            work->said = at;
        }
        work->pages = e.pages;
        work->pages_done = e.pages_done;
        work->rows_estimate = e.rows_estimate;
        work->rows_done = e.rows_done;
        if (!fresh) return;
        work->said_percent = percent(*work);
        detail(e.step + " " + (work->proof ? "reads " : "fills ") + e.table + ": " + std::to_string(e.pages) +
               " pages" + (e.rows_estimate > 0 ? ", about " + std::to_string(e.rows_estimate) + " rows" : "") +
               (e.pages_done > 0 ? ", " + std::to_string(percent(*work)) + " % done before" : ""));
    }
    void operator()(BatchDone const& e) {
        // Rows that a proof fills again are not the work that is counted.
        if (!work || work->step != e.step || (work->proof && !e.proof)) return;
        work->proof = e.proof;
        work->pages_done += e.pages;
        work->rows_done += e.rows;
        work->page_rate.add(at, e.took, static_cast<double>(e.pages));
        work->row_rate.add(at, e.took, static_cast<double>(e.rows));
        work->written += e.rows;
        work->hot += e.hot;
        int const now = percent(*work);
        bool const due = at < work->said || at - work->said >= report || now >= work->said_percent + 10;
        if (mode != ProgressMode::plain || !due) return;
        work->said = at;
        work->said_percent = now;
        auto text = e.step + " " + work->table + ": " + std::to_string(now) + " %, " + counts(*work);
        if (auto const rate = work->row_rate.per_second(at)) text += ", " + decimal(*rate, 0) + " rows/s";
        if (auto const left = time_left()) text += ", " + *left;
        if (auto const share = in_place(*work)) text += ", " + *share;
        say(text);
    }
    void operator()(BatchRetried const& e) {
        detail(e.step + " " + e.table + ": a batch was rolled back and is tried again: " + e.reason);
    }
    void operator()(WayChanged const& e) {
        detail(e.step + " " + e.table + ": " + (e.way == Way::in_page ? "in-page order" : "page range by page range") +
               " from now on" + because(e.reason));
    }
    void operator()(WorkersChanged const& e) {
        detail(e.step + ": " + counted(e.workers, "worker") + " from now on" + because(e.reason));
    }
    void operator()(Vacuumed const& e) {
        detail(e.step + " " + e.table + ": vacuumed in " + duration(e.took) + ", after " +
               counted(e.dead_rows, "dead row"));
    }
    void operator()(LockTried const& e) {
        if (e.got) {
            if (busy_tries > 0) detail(e.step + " got its locks after " + std::to_string(busy_tries + 1) + " tries");
            busy_tries = 0;
            waits_for.clear();
            waits_pids.clear();
            return;
        }
        auto const who = joined(shown(e.blockers, e.seen, audience), "; ");
        // The ladder tries many times a second, and how long a transaction is open is new in each text.
        auto const pids = joined(without_what_they_do(e.blockers), "; ");
        bool const due = busy_tries++ == 0 || at < lock_said || at - lock_said >= report || pids != waits_pids;
        waits_pids = pids;
        waits_for = who;
        if (!due) return;
        lock_said = at;
        detail(e.step + " waits for a lock" + (who.empty() ? "" : ", held by " + who) +
               "; nobody is made to wait longer than " + "the bound meanwhile");
    }
    void operator()(BlockerEnded const& e) {
        say(e.step + (e.session ? " terminated the session of " : " canceled the statement of ") +
            shown(e.blocker, e.seen, audience) + ", which stood in the way of its lock");
    }
    void operator()(WaitsFor const& e) {
        detail(e.step + " runs, and waits for " + joined(shown(e.blockers, e.seen, audience), "; "));
    }
    void operator()(PaceChanged const& e) {
        reasons.clear();
        if (e.pace < 1) reasons = e.reasons.empty() ? std::vector<std::string>{"no reason given"} : e.reasons;
        // A pace that only falls and rises is shown, and not told: it moves all the time.
        bool const holds = e.pace <= 0;
        if (holds && !held) {
            held_since = at;
            detail("held: " + joined(reasons, "; "));
        } else if (held && !holds) {
            detail("goes on after " + duration(at - held_since));
        }
        held = holds;
    }
    void operator()(ReplicaLag const& e) { lags[e.replica] = {at, e.lag}; }
    void operator()(SignalsJudged const&) {}
    void operator()(ForecastMade const& e) {
        // The times move all the while; how many openings it takes is the news.
        bool const news = e.step != forecast.step || e.openings_low != forecast.openings_low ||
                          e.openings_high != forecast.openings_high;
        if (news && !e.text.empty()) detail(e.step + ": " + e.text);
        forecast = e;
    }
    void operator()(Paused const& e) {
        paused = "paused by " + e.user;
        say(paused + ": nothing new is begun; to go on:");
        say("  weir resume " + plan);
    }
    void operator()(Resumed const& e) {
        paused.clear();
        say("resumed by " + e.user);
    }
    void operator()(SettingChanged const& e) { say(e.user + " set " + e.key + " to " + e.value); }
    void operator()(GateOpened const& e) {
        waiting = "waiting at gate " + e.gate;
        say("gate " + e.gate +
            " is open: the run waits; deploy the application that uses the new shape, then approve:");
        say("  weir approve " + plan + " " + e.gate);
        for (auto const& note : e.notes) say("  note: " + note);
    }
    void operator()(GateVoted const& e) {
        say("gate " + e.gate + ": " + std::to_string(e.have) + " of " + std::to_string(e.needed) +
            " approvals, the last by " + e.user);
    }
    void operator()(GateApproved const& e) {
        waiting.clear();
        say("gate " + e.gate + " was approved by " + e.user);
    }
    void operator()(ProofDone const& e) {
        if (e.rows_wrong == 0) return say(e.step + " " + e.table + ": every row is right");
        say(e.step + " " + e.table + ": " + std::to_string(e.rows_wrong) +
            (e.rows_wrong == 1 ? " row is" : " rows are") + " not right" +
            (e.keys.empty() || audience != Audience::terminal ? "" : ": " + joined(shown(e.keys, audience), ", ")));
    }
    void operator()(DumpGrew const& e) {
        bool const due = !dumping || at < dump_said || at - dump_said >= report;
        dumping = e.bytes;
        if (!due) return;
        dump_said = at;
        detail(e.step + " dumps the tables with pg_dump: " + dump_words() + "; nobody waits for it");
    }
    void operator()(BackedUp const& e) {
        dumping.reset();
        say(e.step + " backed up to " + e.file + ", " + figure(static_cast<double>(e.bytes), "B") + ", SHA-256 " +
            e.sha256);
    }
    void operator()(TableSized const&) {}
    void operator()(OrderTaken const& e) {
        // The others have an event of their own.
        if (e.order == "abort") say("abort was ordered by " + e.user);
    }
    std::string dump_words() const { return figure(static_cast<double>(*dumping), "B") + " written"; }
    void operator()(Warned const& e) {
        say("warning: " + e.message);
        more(e.more);
        hint(e.hint);
    }
    void operator()(ConnectionLost const& e) {
        work.reset();
        title.clear();
        waiting.clear();
        say(e.message + "; connecting again, nothing is lost");
    }
    void operator()(Stopped const& e) {
        over = true;
        say("stopped[" + std::string{name(e.why.code)} + "]: " + e.why.message);
        more(e.why.more);
        hint(e.why.hint);
    }
    void operator()(RunDone const& e) {
        over = true;
        auto const after = " after " + duration(e.took);
        switch (e.state) {
            case RunState::done:
                return say("plan " + plan + " is done" + after);
            case RunState::quarantined:
                say("plan " + plan + " is done, what it drops is in quarantine until " + e.until);
                return hint("weir rollback " + plan + " brings it back; weir purge, or the next weir run after " +
                            e.until + ", drops it");
            case RunState::undone:
                return say("plan " + plan + " is undone" + after);
            case RunState::waiting:
                return say("plan " + plan + " waits; run it again to go on");
            case RunState::stopped:
                return say("plan " + plan + " stopped" + after + "; run it again to go on");
            case RunState::pending:
            case RunState::running:
            case RunState::paused:
                return;
        }
    }
    std::optional<std::string> time_left() const {
        auto const pages = static_cast<double>(work->pages - work->pages_done);
        auto const left = work->page_rate.time_for(pages, at);
        if (!left) return {};
        return left_words(*left, work->page_rate.range_for(pages, at));
    }

    Out out;
    ProgressMode mode;
    Audience audience;
    int width;
    Instant at, drawn_at, held_since, lock_said, dump_said;
    std::optional<std::int64_t> dumping;  ///< bytes so far
    bool drawn{}, over{}, proving{};
    std::string plan, phase, title, waiting, paused, waits_for, waits_pids;
    std::vector<std::string> reasons;  ///< empty: unhindered
    bool held{};                       ///< else only slowed
    struct Lag {
        Instant at;
        std::optional<Millis> lag;
    };
    std::map<std::string, Lag> lags;
    int busy_tries{};
    std::optional<Work> work;
    ForecastMade forecast;
};

/// What stands after the progress: the worst lag, and what holds the run back.
std::string Progress::World::tail() const {
    std::string text;
    Lag const* worst = nullptr;
    for (auto const& [replica, lag] : lags) {
        if (at - lag.at > std::chrono::minutes{1}) continue;
        if (!worst || !lag.lag || (worst->lag && *lag.lag > *worst->lag)) worst = &lag;
    }
    if (worst) text += worst->lag ? "  lag " + duration(*worst->lag) : "  lag ?";
    if (!reasons.empty()) text += (held ? "  held: " : "  slowed: ") + joined(reasons, "; ");
    if (busy_tries > 0) text += "  waits for a lock" + (waits_for.empty() ? "" : " of " + waits_for);
    return text;
}

std::string Progress::World::bar_line() const {
    if (!waiting.empty()) return plan + ": " + waiting + tail();
    if (!work && !paused.empty()) return plan + ": " + paused + tail();
    if (!work)
        return plan + ": " + phase + (title.empty() ? "" : ": " + title) + (dumping ? ", " + dump_words() : "") +
               tail();
    constexpr int cells = 20;
    int const part = percent(*work);
    auto const full = static_cast<std::size_t>(part * cells / 100);
    std::string text = std::string{work->proof ? "proof " : "fill "} + work->table + " [" + std::string(full, '#') +
                       std::string(static_cast<std::size_t>(cells) - full, '.') + "] " + std::to_string(part) + "%  " +
                       short_number(static_cast<double>(work->rows_done)) + "/" +
                       short_number(static_cast<double>(work->rows_estimate)) + " rows";
    if (auto const rate = work->row_rate.per_second(at)) text += "  " + short_number(*rate) + "/s";
    if (auto const left = time_left(); left && part < 100) text += "  " + *left;
    text += tail();
    if (forecast.step == work->step && !forecast.text.empty()) text += "  " + forecast.text;
    // Last, so that a narrow terminal keeps what holds the run back.
    if (auto const share = in_place(*work)) text += "  " + *share;
    return text;
}

void Progress::World::draw(bool now) {
    if (mode != ProgressMode::bar) return;
    if (over) return erase();
    // A clock that was set back must not freeze the line.
    if (!now && at >= drawn_at && at - drawn_at < redraw) return;
    // A terminal that takes nothing gets the newest line when it does again, not all of them.
    if (!out.idle()) return out.flush({});
    drawn_at = at;
    auto const columns = std::max(width > 0 ? width : out.width(), 10);
    // The last column stays free: some terminals wrap as soon as it is written.
    out.line("\r" + truncated(printable(bar_line()), static_cast<std::size_t>(columns - 1)) + "\x1b[K");
    drawn = true;
}

Progress::Progress(int fd, ProgressMode mode, int width) : world_{std::make_unique<World>(fd, mode, width)} {}

Progress::~Progress() {
    world_->erase();
    world_->out.flush(Millis{1000});
}

void Progress::hear(Event const& event) noexcept {
    auto& world = *world_;
    world.at = event.at;
    if (world.mode == ProgressMode::none) return;
    if (world.mode == ProgressMode::json) return world.out.line(to_json(event, world.audience) + "\n");
    bool const was_drawn = world.drawn;
    std::visit(world, event.what);
    world.draw(was_drawn && !world.drawn);
}

}  // namespace weir
