#include "orchestrator/cli/words.h"

#include <variant>

#include "metrics/event_json.h"
#include "metrics/text.h"

namespace weir {
namespace {

constexpr Millis report{10'000};

/// `pid 42 (user web, …)` as `pid 42`.
std::vector<std::string> without_what_they_do(std::vector<std::string> blockers) {
    for (auto& blocker : blockers) blocker = blocker.substr(0, blocker.find(" ("));
    return blockers;
}

std::string because(std::string const& reason) { return reason.empty() ? "" : ", because " + reason; }

std::string counted(std::int64_t n, char const* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

/// Said last at `before`: a clock that was set back must not silence it.
bool due(Instant at, Instant before) { return at < before || at - before >= report; }

}  // namespace

struct Words::Teller {
    Words& w;
    Shown& s;
    Instant at;

    void operator()(RunBegan const& e) {
        s.plan = e.plan;
        w.say("run " + std::to_string(e.run) + " of plan " + e.plan + (e.resumed ? " goes on, " : " begins, ") +
              std::to_string(e.steps) + " steps");
    }
    void operator()(PhaseBegan const& e) {
        s.phase = name(e.phase);
        w.say("phase " + s.phase);
    }
    void operator()(StepBegan const& e) {
        s.title = e.title;
        s.work.reset();
        s.dumped.reset();
        s.phase = name(e.phase);
        s.busy_tries = 0;
        w.proving_ = e.phase == Phase::proof;
        w.detail(e.step + " begins: " + e.title);
    }
    void operator()(StepDone const& e) {
        s.busy_tries = 0;
        w.leave_step();
        w.say(e.step + " done in " + duration(e.took) + ": " + e.title);
    }
    void operator()(StepUndone const& e) {
        w.leave_step();
        w.say(e.step + " undone in " + duration(e.took) + ": " + e.title);
    }
    void operator()(WorkKnown const& e) {
        auto& work = s.work;
        bool const fresh = !work || work->step != e.step || work->table != e.table;
        if (fresh) {
            work.emplace();
            work->step = e.step;
            work->table = e.table;
            work->proof = e.proof || w.proving_;
            w.work_said_ = at;
        }
        work->pages = e.pages;
        work->pages_done = e.pages_done;
        work->rows_estimate = e.rows_estimate;
        work->rows_done = e.rows_done;
        if (!fresh) return;
        w.percent_said_ = work->percent();
        w.detail(e.step + " " + (work->proof ? "reads " : "fills ") + e.table + ": " + std::to_string(e.pages) +
                 " pages" + (e.rows_estimate > 0 ? ", about " + std::to_string(e.rows_estimate) + " rows" : "") +
                 (e.pages_done > 0 ? ", " + std::to_string(work->percent()) + " % done before" : ""));
    }
    void operator()(BatchDone const& e) {
        auto& work = s.work;
        // Rows that a proof fills again are not the work that is counted.
        if (!work || work->step != e.step || (work->proof && !e.proof)) return;
        work->add(e, at);
        int const now = work->percent();
        if (!due(at, w.work_said_) && now < w.percent_said_ + 10) return;
        w.work_said_ = at;
        w.percent_said_ = now;
        auto text = e.step + " " + work->table + ": " + std::to_string(now) + " %, " + work->counts();
        if (auto const rate = work->row_rate.per_second(at)) text += ", " + decimal(*rate, 0) + " rows/s";
        if (auto const left = work->time_left(at)) text += ", " + *left;
        if (auto const share = work->in_place()) text += ", " + *share;
        w.detail(text);
    }
    void operator()(BatchRetried const& e) {
        w.detail(e.step + " " + e.table + ": a batch was rolled back and is tried again: " + e.reason);
    }
    void operator()(WayChanged const& e) {
        w.detail(e.step + " " + e.table + ": " +
                 (e.way == Way::in_page ? "in-page order" : "page range by page range") + " from now on" +
                 because(e.reason));
    }
    void operator()(WorkersChanged const& e) {
        w.detail(e.step + ": " + counted(e.workers, "worker") + " from now on" + because(e.reason));
    }
    void operator()(Vacuumed const& e) {
        w.detail(e.step + " " + e.table + ": vacuumed in " + duration(e.took) + ", after " +
                 counted(e.dead_rows, "dead row"));
    }
    void operator()(LockTried const& e) {
        if (e.got) {
            if (s.busy_tries > 0)
                w.detail(e.step + " got its locks after " + std::to_string(s.busy_tries + 1) + " tries");
            s.busy_tries = 0;
            s.waits_for.clear();
            w.pids_.clear();
            return;
        }
        s.waits_for = joined(shown(e.blockers, e.seen, w.audience_), "; ");
        // The ladder tries many times a second, and how long a transaction is open is new in each text.
        auto const before = std::exchange(w.pids_, joined(without_what_they_do(e.blockers), "; "));
        if (s.busy_tries++ > 0 && !due(at, w.lock_said_) && w.pids_ == before) return;
        w.lock_said_ = at;
        w.detail(e.step + " waits for a lock" + (s.waits_for.empty() ? "" : ", held by " + s.waits_for) +
                 "; nobody is made to wait longer than the bound meanwhile");
    }
    void operator()(BlockerEnded const& e) {
        w.say(e.step + (e.session ? " terminated the session of " : " canceled the statement of ") +
              shown(e.blocker, e.seen, w.audience_) + ", which stood in the way of its lock");
    }
    void operator()(WaitsFor const& e) {
        w.detail(e.step + " runs, and waits for " + joined(shown(e.blockers, e.seen, w.audience_), "; "));
    }
    void operator()(PaceChanged const& e) {
        s.reasons.clear();
        if (e.pace < 1) s.reasons = e.reasons.empty() ? std::vector<std::string>{"no reason given"} : e.reasons;
        // A pace that only falls and rises is shown, and not told: it moves all the time.
        bool const before = std::exchange(s.held, e.pace <= 0);
        if (s.held && !before) {
            w.held_since_ = at;
            w.detail("held: " + joined(s.reasons, "; "));
        } else if (before && !s.held) {
            w.detail("goes on after " + duration(at - w.held_since_));
        }
    }
    void operator()(ReplicaLag const& e) { s.lags[e.replica] = {at, e.lag}; }
    void operator()(SignalsJudged const&) {}
    void operator()(ForecastMade const& e) {
        // The times move all the while; how many openings it takes is the news.
        bool const news = e.step != s.forecast.step || e.openings_low != s.forecast.openings_low ||
                          e.openings_high != s.forecast.openings_high;
        if (news && !e.text.empty()) w.detail(e.step + ": " + e.text);
        s.forecast = e;
    }
    void operator()(Paused const& e) {
        s.paused = "paused by " + e.user;
        w.say(s.paused + ": nothing new is begun; to go on:");
        w.say("  weir resume " + s.plan);
    }
    void operator()(Resumed const& e) {
        s.paused.clear();
        w.say("resumed by " + e.user);
    }
    void operator()(SettingChanged const& e) { w.say(e.user + " set " + e.key + " to " + e.value); }
    void operator()(GateOpened const& e) {
        s.waiting = "waiting at gate " + e.gate;
        w.say("gate " + e.gate +
              " is open: the run waits; deploy the application that uses the new shape, then approve:");
        w.say("  weir approve " + s.plan + " " + e.gate);
        for (auto const& note : e.notes) w.say("  note: " + note);
    }
    void operator()(GateVoted const& e) {
        w.say("gate " + e.gate + ": " + std::to_string(e.have) + " of " + std::to_string(e.needed) +
              " approvals, the last by " + e.user);
    }
    void operator()(GateApproved const& e) {
        s.waiting.clear();
        w.say("gate " + e.gate + " was approved by " + e.user);
    }
    void operator()(ProofDone const& e) {
        if (e.rows_wrong == 0) return w.say(e.step + " " + e.table + ": every row is right");
        auto const keys = joined(shown(e.keys, w.audience_), ", ");
        w.say(e.step + " " + e.table + ": " + std::to_string(e.rows_wrong) +
              (e.rows_wrong == 1 ? " row is" : " rows are") + " not right" + (keys.empty() ? "" : ": " + keys));
    }
    void operator()(DumpGrew const& e) {
        bool const first = !s.dumped;
        s.dumped = e.bytes;
        if (!first && !due(at, w.dump_said_)) return;
        w.dump_said_ = at;
        w.detail(e.step + " dumps the tables with pg_dump: " + dumped_words(e.bytes) + "; nobody waits for it");
    }
    void operator()(BackedUp const& e) {
        s.dumped.reset();
        w.say(e.step + " backed up to " + e.file + ", " + figure(static_cast<double>(e.bytes), "B") + ", SHA-256 " +
              e.sha256);
    }
    void operator()(TableSized const&) {}
    void operator()(OrderTaken const& e) {
        // The others have an event of their own.
        if (e.order == "abort") w.say("abort was ordered by " + e.user);
    }
    void operator()(Serving const& e) { w.say("the dashboard is at http://" + e.address + "/, /metrics beside it"); }
    void operator()(Warned const& e) {
        w.say("warning: " + e.message);
        w.more(e.more);
        w.hint(e.hint);
    }
    void operator()(ConnectionLost const& e) {
        s.waiting.clear();
        w.leave_step();
        w.say(e.message + "; connecting again, nothing is lost");
    }
    void operator()(Stopped const& e) {
        s.over = true;
        w.say("stopped[" + std::string{name(e.why.code)} + "]: " + e.why.message);
        w.more(e.why.more);
        w.hint(e.why.hint);
    }
    void operator()(RunDone const& e) {
        s.over = true;
        auto const after = " after " + duration(e.took);
        switch (e.state) {
            case RunState::done:
                return w.say("plan " + s.plan + " is done" + after);
            case RunState::quarantined:
                w.say("plan " + s.plan + " is done, what it drops is in quarantine until " + e.until);
                return w.hint("weir rollback " + s.plan + " brings it back; weir purge, or the next weir run after " +
                              e.until + ", drops it");
            case RunState::undone:
                return w.say("plan " + s.plan + " is undone" + after);
            case RunState::waiting:
                return w.say("plan " + s.plan + " waits; run it again to go on");
            case RunState::stopped:
                return w.say("plan " + s.plan + " stopped" + after + "; run it again to go on");
            case RunState::pending:
            case RunState::running:
            case RunState::paused:
                return;
        }
    }
};

void Words::hear(Event const& event) { std::visit(Teller{*this, shown_, event.at}, event.what); }

void Words::more(Sealed const& lines) {
    if (audience_ == Audience::terminal)
        for (auto const& line : lines_of(lines.reveal())) say("  " + line);
    else if (!lines.empty())
        say("  " + std::string{withheld});
}

void Words::hint(std::string const& text) {
    if (!text.empty()) say("  hint: " + text);
}

void Words::leave_step() {
    shown_.work.reset();
    shown_.title.clear();
}

}  // namespace weir
