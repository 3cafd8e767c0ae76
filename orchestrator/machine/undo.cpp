#include "orchestrator/machine/undo.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "orchestrator/machine/gate.h"
#include "phases/craft/shape.h"

namespace weir {
namespace {

/// Bytes of a table that are counted under the lock of an undo: some ms.
constexpr std::int64_t counted_again_at_most = 1'000'000;

/// It is done, or may be in part: what stands alone is there before its entry is.
bool tried(Step const& step, RunRecord const& record) {
    return record.done.contains(step.id) || (is_standalone(step) && record.begun.contains(step.id));
}

bool stands(Step const& step, RunRecord const& record) {
    return tried(step, record) && !record.undone_steps.contains(step.id);
}

bool changes(Step const& step) { return step.kind != StepKind::proof && step.kind != StepKind::backup; }

/// REQUIRES gone_for_good().
Problem only_forward(Step const& gone) {
    return {Code::not_now,
            {},
            "step " + gone.id + " (" + gone.title + ") is done, and what it dropped cannot be brought back",
            "only forward is possible: let the run come to its end (weir run goes on with it), and write a plan for "
            "the way back"};
}

/// What an undo drops that an application may have written to.
std::string new_shape(Program const& program, RunRecord const& record) {
    std::string all;
    for (auto const& step : program.steps)
        if (step.undo.loses && stands(step, record)) all += (all.empty() ? "" : ", ") + step.undo.loses->column;
    return all;
}

}  // namespace

bool contracting(Program const& program, RunRecord const& record) {
    return std::any_of(program.steps.begin(), program.steps.end(),
                       [&](Step const& s) { return s.phase == Phase::contract && changes(s) && tried(s, record); });
}

Step const* gone_for_good(Program const& program, RunRecord const& record) {
    auto const& steps = program.steps;
    auto const gone = std::find_if(steps.begin(), steps.end(), [&](Step const& s) {
        return s.phase == Phase::contract && s.kind == StepKind::statements && !s.destroys.empty() && tried(s, record);
    });
    return gone == steps.end() ? nullptr : &*gone;
}

std::string way_back(Program const& program, RunRecord const& record) {
    return std::string{record.rolling_back ? "weir rollback " : "weir abort "} + program.plan;
}

std::optional<Problem> abort_forbidden(Program const& program, RunRecord const& record) {
    assert(contracting(program, record));
    if (record.quarantined)
        return Problem{Code::not_now,
                       {},
                       "contract is done, and what it set aside is in quarantine",
                       "weir rollback " + program.plan + " brings everything back"};
    if (auto const* gone = gone_for_good(program, record)) return only_forward(*gone);
    return std::nullopt;
}

std::optional<Problem> rollback_forbidden(Program const& program, RunRecord const& record) {
    if (!contracting(program, record))
        return Problem{Code::not_now,
                       {},
                       "plan " + program.plan + " has nothing in quarantine yet",
                       "weir abort " + program.plan + " undoes it"};
    if (auto const* gone = gone_for_good(program, record)) return only_forward(*gone);
    for (auto const& step : program.steps)
        if (step.phase == Phase::quarantine && changes(step) && tried(step, record))
            return Problem{Code::not_now,
                           {},
                           "the quarantine is over, and step " + step.id + " (" + step.title + ") is done",
                           "what is dropped cannot be brought back; weir purge " + program.plan + " ends the run"};
    return std::nullopt;
}

std::optional<Problem> rollback_loses(std::string const& plan, std::int64_t lost, std::int64_t accepted) {
    if (lost == accepted) return std::nullopt;
    auto const number = std::to_string(lost);
    return Problem{Code::would_lose,
                   {},
                   number + (lost == 1 ? " value" : " values") +
                       " written since contract did not go back to the old column" +
                       (accepted == 0 ? "" : ", and " + std::to_string(accepted) + " were accepted"),
                   lost == 0 ? "nothing would be lost: leave --accept-loss out"
                             : "compare the columns; to roll back and lose exactly these: weir rollback " + plan +
                                   " --accept-loss " + number};
}

Step const* missing_way_back(Program const& program, RunRecord const& record) {
    auto const& steps = program.steps;
    auto const next =
        std::find_if(steps.begin(), steps.end(), [&](Step const& s) { return !record.done.contains(s.id); });
    bool const missing = next != steps.end() && next->phase == Phase::contract && is_transactional(*next) &&
                         next->forward.statements.empty();
    return missing ? &*next : nullptr;
}

Undo::Next Undo::next(Program const& program, RunRecord const& record) {
    auto const& steps = program.steps;
    for (std::size_t i = steps.size(); i-- > 0;) {
        auto const& step = steps[i];
        if (step.undo.statements.empty() || !stands(step, record)) continue;
        bool const early = step.phase < Phase::contract;
        bool const gate = early && (record.rolling_back ? program.gate : record.gate_opened);
        if (gate && !record.reopened) return Next::reopen;
        if (gate && !old_returned_) return Next::wait;
        if (early && !weighed() && (record.gate_opened || record.rolling_back)) return Next::weigh;
        step_ = i;
        return Next::step;
    }
    return Next::over;
}

Warned Undo::both_shapes(Program const& program, RunRecord const& record) {
    auto const shape = new_shape(program, record);
    return {(record.rolling_back ? "the old shape is there again beside the new one: "
                                 : "the gate was open, and the old shape is there beside the new one: ") +
                std::string{"the old and the new application may run"} +
                (shape.empty() ? "" : "; undone, " + shape + " is dropped with what is in it"),
            "when nothing uses the new shape any more: " + way_back(program, record)};
}

void Undo::ask(State state, Batch batch, Ids& ids, Commands& out) {
    state_ = state;
    pending_ = ids();
    out.emplace_back(Execute{*pending_, control, std::move(batch), Transaction::implicit, gate_limits});
}

void Undo::count(Program const& program, RunRecord const& record, Ids& ids, Commands& out) {
    Batch question;
    for (auto const& step : program.steps)
        if (stands(step, record)) question.insert(question.end(), step.undo.guard.begin(), step.undo.guard.end());
    auto const lost = count_lost(program.run);
    question.insert(question.end(), lost.begin(), lost.end());
    ask(State::counting, std::move(question), ids, out);
}

void Undo::weigh() {
    assert(!weighed());
    state_ = State::idle;
    step_ = 0;
    lost_ = 0;
    where_.clear();
    steps_.clear();
}

bool Undo::weigh_next(Program const& program, RunRecord const& record, Epoch epoch, Ids& ids, Commands& out) {
    auto const& steps = program.steps;
    while (step_ < steps.size() && (!steps[step_].undo.loses || !stands(steps[step_], record))) ++step_;
    any_ = false;
    if (step_ == steps.size()) return false;
    auto const& guard = steps[step_].undo.loses->none_while;
    if (guard.empty()) {
        state_ = State::weighing;
    } else {
        Batch question{fence(epoch)};
        question.insert(question.end(), guard.begin(), guard.end());
        ask(State::guarding, std::move(question), ids, out);
    }
    return true;
}

void Undo::weigh_again(std::size_t step) {
    assert(weighed());
    state_ = State::weighing;
    step_ = step;
    any_ = false;
}

Undo::Guarded Undo::guarded(Outcome const& outcome) {
    assert(state_ == State::guarding);
    if (outcome.fate == Fate::done) {
        ++step_;
        return Guarded::holds;
    }
    if (outcome.sqlstate != "WE003" && outcome.sqlstate != "WE007") return Guarded::failed;
    // Written past the sync, or a leaf came with rows: then the columns say what the old one does not hold.
    state_ = State::weighing;
    return Guarded::broken;
}

Rows Undo::rows(Program const& program) const {
    assert(state_ == State::weighing);
    auto const& loss = *program.steps[step_].undo.loses;
    auto rows = loss.rows;
    if (any_) rows.todo = rows.miss_after_gate = rows.fill_after_gate = loss.any;
    return rows;
}

bool Undo::count_any() { return !std::exchange(any_, true); }

void Undo::counted(Program const& program, std::int64_t rows) {
    assert(state_ == State::weighing);
    auto const& step = program.steps[step_];
    auto const& loss = *step.undo.loses;
    if (rows > 0) {
        lost_ += rows;
        where_ += (where_.empty() ? "" : ", ") + loss.column;
    }
    steps_[step.id] = {rows, any_ ? loss.any : loss.rows.todo};
    ++step_;
}

void Undo::absent(Program const& program) {
    assert(state_ == State::weighing);
    steps_[program.steps[step_].id] = {};
    ++step_;
}

std::optional<Problem> Undo::loses(std::int64_t accepted, std::string const& way_back) const {
    if (lost_ <= accepted) return std::nullopt;
    auto const number = std::to_string(lost_);
    return Problem{Code::would_lose,
                   {},
                   number + (lost_ == 1 ? " row has a value" : " rows have values") + " in " + where_ +
                       " that the run did not put there and the old shape cannot hold" +
                       (accepted == 0 ? "" : ", and " + std::to_string(accepted) + " were accepted"),
                   "copy what matters to where the old application finds it; to undo and lose these: " + way_back +
                       " --accept-loss " + number};
}

void Undo::accept(std::int64_t accepted) {
    assert(lost_ <= accepted);
    state_ = State::weighed;
    more_accepted_ = accepted - lost_;
}

Batch Undo::still_so(Step const& step) const {
    if (!weighed()) return {};
    Batch still;
    for (auto const& lock : step.undo.locks)
        if (lock.mode == LockMode::access_exclusive && !step.whole_table) still.push_back(check_kinds(lock.table));
    if (!step.undo.loses) return still;
    auto const counted = steps_.find(step.id);
    if (counted == steps_.end()) {
        still.insert(still.end(), step.undo.loses->none_while.begin(), step.undo.loses->none_while.end());
        return still;
    }
    if (counted->second.todo.empty()) return still;
    auto const& rows = step.undo.loses->rows;
    Value const table{sql("{0}", rows.table).text()};
    still.insert(still.end(), rows.session.begin(), rows.session.end());
    still.push_back(sql("DO {0}", Sql::body(sql(R"(
#variable_conflict use_column
DECLARE "weir lost" pg_catalog.int8;
BEGIN
  IF (SELECT coalesce(pg_catalog.sum(pg_catalog.pg_relation_size(t.relid)), 0) FROM (
        SELECT pg_catalog.to_regclass({0})::pg_catalog.oid AS relid UNION ALL
        SELECT p.relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass({0})) p WHERE p.isleaf) t) OPERATOR(pg_catalog.>) {1} THEN
    RETURN;
  END IF;
  SELECT pg_catalog.count(*) INTO "weir lost" FROM {2} AS {3} WHERE {4};
  IF "weir lost" OPERATOR(pg_catalog.>) {5} THEN
    RAISE EXCEPTION '% rows have values that the old shape cannot hold, and {5} are given up', "weir lost"
      USING ERRCODE = 'WE004';
  END IF;
END
)",
                                                table, Int{counted_again_at_most}, rows.table, rows.table.name,
                                                counted->second.todo, Int{counted->second.rows + more_accepted_}))));
    return still;
}

}  // namespace weir
