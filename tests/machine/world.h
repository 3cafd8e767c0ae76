#pragma once
/// A server that is not there: it reads the strings that the machine sends, keeps what commits, and objects to what
/// must never happen. World is what outlives every orchestrator; Sim adds one orchestrator and what it has in flight.
/// Both are copyable, so that a test can branch over everything that may come next.
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "dialogue.h"
#include "orchestrator/machine/run.h"

namespace weir {

/// What one string does, read once when it is sent.
struct Tx {
    enum class Verb {
        entry,
        forward,
        undo,
        repair,
        reset,
        prune,
        stripes,
        list,
        update,
        sweep,
        moved,  // the progress of the update before it
        horizon,
        leaves,
        aside,      // an empty commit, a VACUUM
        condition,  // of the gate
        end,        // of the quarantine
        lost,       // what did not go back
        still,      // of what was counted, under the lock
        count,
        keys,
        shape,  // is the table what was proven?
        note,   // as if it were
        hand,
        probe,
        gone,  // the probe of an undo
        guard,
        file,
        tables  // to dump
    };
    struct Action {
        Verb verb{};
        std::string step{}, kind{};
        std::int64_t from{}, to{};      ///< pages
        std::int64_t stripe{}, next{};  ///< of the progress row; next 0: it is not touched
        std::int64_t number{};          ///< seq, file, misses
        bool skips{}, tells_horizon{};
        std::string order{}, key{}, value{}, user{}, dump{}, bytes{};  ///< of an entry
    };
    std::vector<Action> actions;
    std::optional<std::int64_t> epoch;
    bool standalone{};
    bool after_gate{};    ///< it has the predicates for the time when the new application writes
    bool looks{};         ///< for blockers
    bool looks_around{};  ///< at what people did while the gate is open
    bool ends{};          ///< a blocker
    bool synchronous{};
};

/// The strings of a compiled program, so that the world knows which step a real statement belongs to.
struct Script {
    struct Known {
        Tx::Verb verb{};  ///< forward, undo, repair, probe or gone
        std::string step;
        std::vector<std::string> texts;  ///< all of it, in order
        bool standalone{};
    };
    std::map<std::string, std::vector<Known>> by_first;
    std::set<std::string> silent;  ///< transactional steps that have nothing to do forward
    std::set<std::string> guards;  ///< what only raises
    struct Writes {
        std::string alias, rows, step;
    };
    std::vector<Writes> writes;               ///< which rows of which table a step may write
    std::map<std::string, std::size_t> part;  ///< of a fill or a proof: which rows it is about
    std::size_t parts{1};

    explicit Script(Program const& program);
};

struct World {
    struct Entry {
        std::int64_t seq{};
        std::string kind, step;
        std::string order{}, key{}, value{}, user{}, dump{}, bytes{};
    };
    struct Stripe {
        std::int64_t from{}, to{}, next{}, misses{};
    };
    struct Steered {
        std::set<std::string> gate_guarded;  ///< contract steps
        std::set<std::string> aside;         ///< steps of the quarantine
        std::vector<std::string> proofs;     ///< of the program, in order
        std::vector<std::string> order;      ///< all steps
        std::set<std::string> undoable;      ///< steps with an undo
        /// Of a step: those after it that only have an undo, on which its own stands.
        std::map<std::string, std::vector<std::string>> way_back;
        std::set<std::string> alone;                           ///< steps whose forward stands alone
        std::set<std::string> probed;                          ///< those that can be damaged
        std::set<std::string> repeatable;                      ///< those without a probe
        std::map<std::string, std::string> stands_on;          ///< of a step: the proof that must still hold
        std::map<std::string, std::string> saved_by;           ///< steps that destroy, with the one that dumps before
        std::set<std::pair<std::string, std::string>> dumped;  ///< schemas and tables
        bool gate{};
        std::set<std::string> losing;  ///< steps whose undo drops what the application wrote
    };

    // How this world is made.
    Steered rules;
    std::shared_ptr<Script const> script;  ///< nothing: steps say their own name
    std::int64_t run{1};
    std::int64_t width{32};
    double rows_a_page{10};  ///< as the server estimates
    bool partitioned{};
    bool held{};  ///< an old snapshot keeps the horizon
    std::int64_t xid{100}, horizon{100};

    // What commits.
    std::int64_t epoch{0}, file{1};
    std::vector<Entry> entries{{1, "began", ""}};
    std::map<std::string, int> applied, undone;
    std::set<std::string> damaged;
    std::map<std::string, std::vector<Stripe>> progress;
    std::map<std::string, std::int64_t> files;  ///< of the table, as noted with the progress
    /// Of the table: what somebody made of its leaves, and of its triggers, rules and columns.
    struct Shape {
        int leaves{}, root{};
        bool operator==(Shape const&) const = default;
    };
    Shape shape;
    std::map<std::string, Shape> shapes;  ///< as noted with the progress
    std::string changed;                  ///< what a proof was told of the root when it last listed its pages
    std::vector<bool> right =
        std::vector<bool>(64, false);  ///< a page each; part after part where a script has several
    std::set<std::int64_t> hopeless;   ///< pages that no fill makes right
    bool triggers_touched{};
    std::map<std::string, std::int64_t> dumps;  ///< files beside the database, with their sizes
    bool table_gone{};                          ///< it is not there to be dumped
    bool condition{};                           ///< of the gate
    bool quarantine_over{};
    std::set<std::int64_t> own;   ///< pages with values of the application's own in the new column
    int lost{};                   ///< values that did not go back
    int hands_refused{};          ///< so often a newcomer is in the way of a hand
    std::vector<Row> in_the_way;  ///< what a look shows
    std::vector<Row> around;      ///< what the program's gate_looks find
    int alone{};                  ///< so many synchronous commits are cancelled while they wait for a standby

    std::vector<std::string> objections;

    /// Somebody attaches a leaf, detaches one, or writes into it meanwhile: rows of a page are not right.
    void attach(std::int64_t page);
    /// Somebody makes a trigger or a rule, or changes a column.
    void touch_root() { ++shape.root; }

    void object(std::string what) {
        if (objections.size() < 5) objections.push_back(std::move(what));
    }
    bool has(std::string_view kind, std::string_view step = "") const {
        return std::any_of(entries.begin(), entries.end(),
                           [&](Entry const& e) { return e.kind == kind && e.step == step; });
    }
    int count(std::map<std::string, int> const& of, std::string const& step) const {
        auto const found = of.find(step);
        return found == of.end() ? 0 : found->second;
    }
    bool all_right() const {
        return std::all_of(right.begin(), right.end(), [](bool r) { return r; });
    }
    std::vector<Row> rows() const {
        std::vector<Row> made;
        for (auto const& e : entries)
            made.push_back(row({std::to_string(run), std::to_string(e.seq), e.kind, e.step, "then", "", "", "", "", "",
                                "", e.user, e.order, e.key, e.value,
                                e.kind == "rolling_back" || (e.kind == "aborting" && !e.value.empty()) ? e.value : "",
                                e.dump, e.bytes}));
        return made;
    }
    bool undoes() const { return has("aborting") || has("rolling_back"); }
    bool is_done(std::string const& step) const { return has("step_done", step) || has("backed_up", step); }
    /// `began` and what came after, one word each: `step_done expand.1`.
    std::vector<std::string> journal() const {
        std::vector<std::string> lines;
        for (auto const& e : entries) lines.push_back(e.kind + (e.step.empty() ? "" : " " + e.step));
        return lines;
    }

    /// Commits the whole string or nothing.
    Outcome perform(Tx const& tx);
    /// What must hold at any moment: a transactional step is done where its entry is, and nowhere else.
    void judge_now(Program const& program);
    /// Everything that a newcomer could see, but the epoch.
    std::string print() const;
    /// What must hold when a run has ended with this exit code.
    void judge_end(int exit, Program const& program);

  private:
    std::int64_t pages() const;
    /// Of the first page of the rows that the step is about.
    std::int64_t offset(std::string const& step) const;
    bool all_right(std::string const& step) const;
    bool is_what_was_proven(std::string const& step) const;
    Stripe* stripe(std::string const& step, std::int64_t from);
    void apply_forward(std::string const& step);
    void destroy(std::string const& step);
    void apply_undo(std::string const& step);
    void apply_entry(Tx::Action const& action);
    void move(Tx::Action const& action, Tx::Action const& update);
    std::int64_t horizon_now();
    void list(std::string const& step, Outcome& outcome) const;
};

Tx parse(Execute const& command, World const& world);

struct Sim {
    enum class Kind { connect, execute, rest, dump, look };
    struct Pending {
        CommandId id{};
        Kind kind{};
        SessionId session{};
        Tx tx;
        bool canceled{};
        Millis time{};  ///< of a rest
        Dump dump{};
        std::string file{};  ///< that is looked for
    };
    enum class Answer { done, lock_busy, deadlock, canceled, refused, lost, lost_after_commit };

    World world;
    RunMachine::Config config;  ///< record and epoch are filled in by start()
    std::optional<RunMachine> machine;
    std::vector<Pending> pending;
    std::set<SessionId> connected{control};
    Millis now{1000}, took{50};
    std::vector<Millis> marks;  ///< of what is cancelled: when it had its locks
    std::optional<int> exit;
    int starts{};
    std::vector<Ordered> orders;  ///< in the ledger: every orchestrator hears of them
    bool keep_events{};
    std::vector<Event> events;
    std::optional<Finish> last;

    explicit Sim(Program program) {
        std::string acts;
        for (auto const& step : program.steps) {
            world.rules.order.push_back(step.id);
            if (step.phase == Phase::contract && is_transactional(step) && step.forward.statements.empty())
                world.rules.way_back[acts].push_back(step.id);
            else
                acts = step.id;
            if (step.kind == StepKind::proof) world.rules.proofs.push_back(step.id);
            if (!step.undo.statements.empty()) world.rules.undoable.insert(step.id);
            if (step.undo.loses) world.rules.losing.insert(step.id);
            if (is_standalone(step)) world.rules.alone.insert(step.id);
            if (!step.forward.probe.empty())
                world.rules.probed.insert(step.id);
            else if (is_standalone(step))
                world.rules.repeatable.insert(step.id);
            for (auto const& other : program.steps)
                if (!step.destroys.empty() && other.kind == StepKind::backup && other.phase == step.phase)
                    world.rules.saved_by[step.id] = other.id;
            for (auto const& table : step.saves) world.rules.dumped.emplace(table.schema.text(), table.name.text());
            if (step.phase == Phase::quarantine && step.kind != StepKind::backup) world.rules.aside.insert(step.id);
            if (step.phase == Phase::contract) world.rules.gate_guarded.insert(step.id);
            if (!step.proven_by.empty()) world.rules.stands_on[step.id] = step.proven_by;
        }
        world.run = static_cast<std::int64_t>(program.run);
        world.rules.gate = program.gate;
        config.settings.workers = 2;
        config.settings.plain = true;
        config.settings.batch_target = Millis{50};  // ranges large enough that few make a run
        config.sweep.pages_at_least = 0;
        config.settings.throttle = {};
        config.user = "olga";
        config.program = std::move(program);
    }

    /// A new orchestrator: raises the epoch, folds the ledger, begins.
    void start();
    void give(decltype(Input::what) what);
    void order(OrderWord word, std::string user = "otto", std::string argument = "");
    void answer(std::size_t which, Answer how, std::string const& sqlstate = "55000");
    /// The process dies; what was in flight commits where `applied` has a bit, in order.
    void kill(unsigned applied);
    /// The world that such a death leaves behind.
    World after_kill(unsigned applied) const;
    /// Answers everything with `done`, first in, first out, until the run ends, waits, or `turns` are over.
    void calm(int turns = 2000);
    /// The same until a pending command satisfies it; its place among the pending ones.
    template <class P>
    std::optional<std::size_t> until(P const& wanted, int turns = 2000) {
        for (; turns > 0; --turns) {
            for (std::size_t i = 0; i < pending.size(); ++i)
                if (wanted(pending[i])) return i;
            if (exit || pending.empty()) return std::nullopt;
            answer(0, Answer::done);
        }
        return std::nullopt;
    }
    bool waits() const { return machine && !exit && pending.empty(); }

    template <class E>
    std::vector<E> heard() const {
        std::vector<E> found;
        for (auto const& event : events)
            if (auto const* one = std::get_if<E>(&event.what)) found.push_back(*one);
        return found;
    }

  private:
    void take(Commands const& commands);
};

/// For Sim::until: a string with this verb (and step, where it is given).
inline auto has_verb(Tx::Verb verb, std::string step = "") {
    return [verb, step = std::move(step)](Sim::Pending const& p) {
        return std::any_of(p.tx.actions.begin(), p.tx.actions.end(),
                           [&](Tx::Action const& a) { return a.verb == verb && (step.empty() || a.step == step); });
    };
}
/// For Sim::until.
inline bool dumps(Sim::Pending const& p) { return p.kind == Sim::Kind::dump; }
/// For Sim::until: the string that writes this entry.
inline auto writes(std::string kind, std::string step = "") {
    return [kind = std::move(kind), step = std::move(step)](Sim::Pending const& p) {
        return std::any_of(p.tx.actions.begin(), p.tx.actions.end(), [&](Tx::Action const& a) {
            return a.verb == Tx::Verb::entry && a.kind == kind && a.step == step;
        });
    };
}

}  // namespace weir
