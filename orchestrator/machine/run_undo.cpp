#include <algorithm>

#include "orchestrator/machine/run.h"

namespace weir {
namespace {

/// Bytes of a table that are counted under the lock of an undo: some ms.
constexpr std::int64_t counted_again_at_most = 1'000'000;

}  // namespace

/// A step of contract that is done, and that no undo takes back; nothing: there is none. Rows that were deleted keep
/// nobody from undoing the rest.
Step const* RunMachine::gone_for_good() const {
    auto const& steps = config_.program.steps;
    auto const gone = std::find_if(steps.begin(), steps.end(), [&](Step const& s) {
        return s.phase == Phase::contract && s.kind == StepKind::transactional && !s.destroys.empty() && is_done(s);
    });
    return gone == steps.end() ? nullptr : &*gone;
}

/// REQUIRES gone_for_good().
Problem RunMachine::only_forward() const {
    Step const& gone = *gone_for_good();
    return {
        Code::not_now,
        {},
        "step " + gone.id + " (" + gone.title + ") is done, and what it dropped cannot be brought back",
        "only forward is possible: let the run come to its end (weir run goes on with it), and write a plan for the "
        "way back"};
}

/// True: it begins the next step of contract, which does nothing forward: the undo of a step before needs its undo
/// (the check that makes NOT NULL cheap).
bool RunMachine::complete_way_back(Commands& out) {
    auto const& steps = config_.program.steps;
    auto const next = std::find_if(steps.begin(), steps.end(), [&](Step const& s) { return !is_done(s); });
    if (next == steps.end() || next->phase != Phase::contract || next->kind != StepKind::transactional ||
        !next->forward.empty())
        return false;
    step_ = static_cast<std::size_t>(next - steps.begin());
    begin_step(*next, out);
    return true;
}

/// What is said once more when nothing uses the new shape any more.
std::string RunMachine::way_back() const {
    return std::string{record_.rolling_back ? "weir rollback " : "weir abort "} + config_.program.plan;
}

/// What an undo drops that an application may have written to.
std::string RunMachine::new_shape() const {
    std::string all;
    for (auto const& step : config_.program.steps)
        if (step.undo_loses && is_done(step) && !record_.undone_steps.contains(step.id))
            all += (all.empty() ? "" : ", ") + step.undo_loses->column;
    return all;
}

/// The next step whose undo may lose something; when there is none, the sum is judged.
void RunMachine::weigh_next(Commands& out) {
    auto const& steps = config_.program.steps;
    while (weighing_ < steps.size() && (!steps[weighing_].undo_loses || !is_done(steps[weighing_]) ||
                                        record_.undone_steps.contains(steps[weighing_].id)))
        ++weighing_;
    if (stopping_) {
        advance(out);
    } else if (weighing_ == steps.size()) {
        weighed(out);
    } else if (auto const& loss = *steps[weighing_].undo_loses; loss.none_while.empty()) {
        weigh(loss, false, out);
    } else {
        Batch question{fence(config_.epoch)};
        question.insert(question.end(), loss.none_while.begin(), loss.none_while.end());
        ask_control(Doing::guarding, std::move(question), out);
    }
}

void RunMachine::guarded(Outcome const& outcome, Commands& out) {
    if (outcome.fate == Fate::done) {
        ++weighing_;
        weigh_next(out);
    } else if (outcome.sqlstate == "WE003" || outcome.sqlstate == "WE007") {
        // Written past the sync, or a leaf came with rows: then the columns say what the old one does not hold.
        weigh(*config_.program.steps[weighing_].undo_loses, false, out);
    } else {
        failed(outcome, out);
    }
}

void RunMachine::weigh(UndoLoss const& loss, bool any, Commands& out) {
    auto rows = loss.rows;
    if (any) rows.todo = rows.miss_after_gate = rows.fill_after_gate = loss.any;
    weighing_any_ = any;
    auto const& step = config_.program.steps[weighing_];
    auto config = backfill_config(step, rows, true);
    config.step += ".lost";
    config.afresh = config.counts = true;
    backfill_.emplace(std::move(config));
    doing_ = Doing::weighing;
    backfill_->start(at_, ids_, out);
    judge_pace(out);
    weigh_moved(out);
}

void RunMachine::weigh_moved(Commands& out) {
    auto const& loss = *config_.program.steps[weighing_].undo_loses;
    switch (backfill_->state()) {
        case BackfillMachine::State::running:
            return;
        case BackfillMachine::State::done:
        case BackfillMachine::State::misses:
            weighed_one(weighing_any_ ? loss.any : loss.rows.todo, out);
            return;
        case BackfillMachine::State::failed: {
            auto const& outcome = backfill_->outcome();
            if (outcome.fate == Fate::refused && !weighing_any_)
                weigh(loss, true, out);
            else if (outcome.fate == Fate::refused && outcome.sqlstate == "42703")
                weighed_one({}, out);
            else
                failed(outcome, out);
            return;
        }
        case BackfillMachine::State::stopped:
            advance(out);
            return;
    }
}

void RunMachine::weighed_one(Sql const& todo, Commands& out) {
    auto const& step = config_.program.steps[weighing_];
    auto const rows = todo.empty() ? 0 : backfill_->rows_wrong();
    if (rows > 0) {
        lost_rows_ += rows;
        lost_where_ += (lost_where_.empty() ? "" : ", ") + step.undo_loses->column;
    }
    weighed_steps_[step.id] = {rows, todo};
    ++weighing_;
    weigh_next(out);
}

/// Of what was weighed, under the lock that keeps writers out: as long as that is cheap, once more.
Batch RunMachine::still_so(Step const& step) const {
    if (!weighed_ || !step.undo_loses) return {};
    auto const counted = weighed_steps_.find(step.id);
    if (counted == weighed_steps_.end()) return step.undo_loses->none_while;
    if (counted->second.todo.empty()) return {};
    auto const& rows = step.undo_loses->rows;
    Value const table{sql("{0}", rows.table).text()};
    auto body = rows.session;
    body.push_back(sql("DO {0}", Sql::body(sql(R"(
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
    return body;
}

void RunMachine::weighed(Commands& out) {
    auto const accepted = config_.accept_loss.value_or(record_.accept_loss.value_or(0));
    if (lost_rows_ > accepted) {
        auto const number = std::to_string(lost_rows_);
        refuse({Code::would_lose,
                {},
                number + (lost_rows_ == 1 ? " row has a value" : " rows have values") + " in " + lost_where_ +
                    " that the run did not put there and the old shape cannot hold" +
                    (accepted == 0 ? "" : ", and " + std::to_string(accepted) + " were accepted"),
                "copy what matters to where the old application finds it; to undo and lose these: " + way_back() +
                    " --accept-loss " + number},
               out);
        return;
    }
    weighed_ = true;
    more_accepted_ = accepted - lost_rows_;
    if (record_.accept_loss.value_or(0) == accepted) {
        advance(out);
        return;
    }
    EntryDetail detail;
    detail.user = abort_user_;
    detail.accept_loss = accepted;
    write(record_.rolling_back ? EntryKind::rolling_back : EntryKind::aborting, "", detail, {}, out);
}

}  // namespace weir
