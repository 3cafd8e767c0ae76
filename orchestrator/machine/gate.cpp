#include "orchestrator/machine/gate.h"

#include <cassert>
#include <utility>

namespace weir {
namespace {

void say(Stamp at, Commands& out, decltype(Event::what) what) {
    out.emplace_back(Announce{{at.wall, std::move(what)}});
}

bool is_gone(Fate fate) { return fate == Fate::lost || fate == Fate::in_doubt; }

}  // namespace

GateMachine::Config GateMachine::config(Program const& program, RunRecord const& record, Epoch epoch) {
    return {.run = program.run,
            .epoch = epoch,
            .plan = program.plan,
            .notes = program.gate_notes,
            .looks = program.gate_looks,
            .after = program.gate_after,
            .until = program.gate_until,
            .session = program.gate_session,
            .approvals = program.approvals,
            .have = record.approvals,
            .voter = {}};
}

GateMachine::GateMachine(Config config) : config_{std::move(config)} {
    // Enough approvals, and the end came before the gate's own entry.
    if (config_.approvals > 1 && static_cast<int>(config_.have.size()) >= config_.approvals) approve(voters());
}

std::string GateMachine::voters() const {
    std::string all;
    for (auto const& one : config_.have) all += (all.empty() ? "" : ", ") + one;
    return all;
}

void GateMachine::approve(std::string by) {
    assert(state_ != State::approved && !by.empty());
    state_ = State::approved;
    by_ = std::move(by);
}

void GateMachine::open(Stamp at, Entries& entries, Ids& ids, Commands& out) {
    if (state_ == State::shut) state_ = State::open;
    say(at, out, GateOpened{"contract", config_.notes});
    look(true, ids, out);
    if (auto const voter = std::exchange(config_.voter, std::nullopt)) vote(*voter, at, entries, out);
}

void GateMachine::vote(std::string const& user, Stamp at, Entries& entries, Commands& out) {
    if (approved() || !config_.have.insert(user).second) return;
    say(at, out, OrderTaken{"approve", "contract", user});
    auto const have = static_cast<int>(config_.have.size());
    if (config_.approvals > 1) {
        EntryDetail detail;
        detail.user = user;
        entries.note(EntryKind::approval, detail);
        say(at, out, GateVoted{"contract", user, have, config_.approvals});
    }
    if (have >= config_.approvals) approve(voters());
}

void GateMachine::ask(Ids& ids, Commands& out) {
    if (asking_) return;
    asking_ = ids();
    // Else a gate that nobody comes to would not notice that another leads, or that the ledger is gone. After a
    // question that failed the fence is asked alone: which of both failed?
    bool const failed = asked_ == Asked::condition && !trouble_.empty();
    asked_ = asks() && !failed ? Asked::condition : Asked::fence;
    Batch question{fence(config_.epoch)};
    if (asked_ == Asked::condition) {
        question.insert(question.end(), config_.session.begin(), config_.session.end());
        for (auto& part : gate_condition(config_.run, config_.after, config_.until))
            question.push_back(std::move(part));
    }
    out.emplace_back(Execute{*asking_, control, std::move(question), Transaction::implicit, gate_limits});
}

void GateMachine::look(bool anew, Ids& ids, Commands& out) {
    if (config_.looks.empty() || looking_) return;
    looking_ = ids();
    anew_ = anew;
    out.emplace_back(Execute{*looking_, control,
                             Batch{sql("SET LOCAL transaction_read_only = on"),
                                   sql("SELECT g.about, g.message, g.hint FROM (\n{0}) g (about, message, hint)",
                                       Sql::join(config_.looks, "\nUNION ALL\n"))},
                             Transaction::implicit, gate_limits});
}

GateMachine::Answer GateMachine::completed(Stamp at, Completed const& completed, bool leaving, Commands& out) {
    assert(owns(completed.command));
    return looking_ == completed.command ? looked(at, completed.outcome, out)
                                         : answered(at, completed.outcome, leaving, out);
}

GateMachine::Answer GateMachine::looked(Stamp at, Outcome const& outcome, Commands& out) {
    looking_.reset();
    if (is_gone(outcome.fate)) return Answer::failed;
    for (auto const& row : outcome.rows) {
        auto const message = row.fields.at(1).value_or("");
        auto& told = told_[row.fields.at(0).value_or("")];
        if (told == message || (!told.empty() && !anew_)) continue;
        told = message;
        say(at, out, Warned{message, row.fields.at(2).value_or("")});
    }
    return asks() ? Answer::nothing : Answer::waits;
}

GateMachine::Answer GateMachine::answered(Stamp at, Outcome const& outcome, bool leaving, Commands& out) {
    asking_.reset();
    if (is_gone(outcome.fate) || outcome.fate == Fate::fenced) return Answer::failed;
    if (asked_ == Asked::fence) {
        // Schema weir, the function of the fence, or its table.
        bool const gone = outcome.fate == Fate::refused &&
                          (outcome.sqlstate == "3F000" || outcome.sqlstate == "42883" || outcome.sqlstate == "42P01");
        return gone ? Answer::ledger_gone : Answer::nothing;
    }
    if (outcome.fate != Fate::done) {
        if (trouble_ != outcome.message)
            say(at, out,
                Warned{"whether the gate may open cannot be asked: " + outcome.message,
                       "mend what the query needs, or approve the gate by hand: weir approve " + config_.plan +
                           " contract",
                       words_of(outcome)});
        trouble_ = outcome.message;
        return Answer::waits;
    }
    trouble_.clear();
    if (approved() || leaving) return Answer::nothing;
    if (outcome.rows.empty() || outcome.rows[0].fields[0] != "t") return Answer::waits;
    approve(config_.until ? "its query" : "its time");
    return Answer::approved;
}

}  // namespace weir
