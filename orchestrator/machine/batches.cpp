#include "orchestrator/machine/batches.h"

#include <algorithm>
#include <cassert>

#include "orchestrator/machine/misses.h"
#include "plans/keys.h"

namespace weir {

Batches::Purpose Batches::forward(Step const& step) const {
    assert(step.kind == StepKind::fill || step.kind == StepKind::proof);
    if (due_) return Purpose::proof_again;
    return step.kind == StepKind::proof ? Purpose::proof : Purpose::fill;
}

BackfillConfig Batches::config(Task const& task, RunRecord const& record, Settings const& settings) const {
    bool const proof = task.purpose != Purpose::fill;
    BackfillConfig made{
        .run = config_.run,
        .epoch = config_.epoch,
        .step = task.step.id,
        .rows = task.rows,
        .proof = proof,
        .gate_opened = record.gate_opened,
        // A proof only reads; how much a second reader adds is known.
        .workers = std::min(config_.hands, settings.workers.value_or(proof ? proof_workers : keys::workers_auto)),
        .all = settings.workers.has_value() || proof,
        .target = settings.batch_target,
        .bound = settings.lock_timeout,
        .give_up = settings.lock_give_up,
        .plain = settings.plain || config_.plain,
        .pages_at_first = config_.pages_at_first.value_or(pages_at_first),
        // What ended connections twice is narrowed down: ranges do not grow again on the way to it.
        .range_at_most = config_.plain ? config_.pages_at_first.value_or(pages_at_most) : pages_at_most,
        .sweep = config_.sweep};
    switch (task.purpose) {
        case Purpose::fill:
        case Purpose::proof:
        case Purpose::proof_again:
            break;
        case Purpose::at_gate:
            // Its own progress: that of the step belongs to the step.
            made.step += ".again";
            made.afresh = true;
            break;
        case Purpose::comes_back:
            made.step = task.step.noted_for + ".back";
            made.gate_opened = true;
            break;
        case Purpose::losses:
            made.step += ".lost";
            made.afresh = made.counts = true;
            break;
    }
    if (auto const seen = changes_.find(made.step); seen != changes_.end()) made.changes = seen->second;
    return made;
}

void Batches::begin(Task const& task, RunRecord const& record, Settings const& settings, Reply& reply) {
    purpose_ = task.purpose;
    step_ = task.number;
    backfill_.emplace(config(task, record, settings));
    backfill_->start(reply.at, reply.ids, reply.out);
}

Warned Batches::begun_because(Outcome const& refused, Purpose purpose, Step const& step) {
    assert(outdated(refused));
    auto const what = "step " + step.id + " (" + step.title + "): " + refused.message;
    switch (purpose) {
        case Purpose::losses:
            return {"undo of " + what, "what the column holds is counted before it goes"};
        case Purpose::comes_back:
            return {"undo of " + what, "what has changed is read before the column comes back"};
        default:
            assert(purpose == Purpose::proof_again);
            return {what, "it is proven once more, where it changed, before anything is dropped"};
    }
}

PaceJudge::Work Batches::work() const {
    switch (purpose_) {
        case Purpose::fill:
            return PaceJudge::Work::writes;
        case Purpose::proof:
        case Purpose::proof_again:
        case Purpose::at_gate:
            return PaceJudge::Work::reads;
        case Purpose::comes_back:
        case Purpose::losses:
            return PaceJudge::Work::undoes;
    }
    return PaceJudge::Work::none;
}

void Batches::tune(Settings const& settings) {
    if (backfill_) backfill_->tune(settings.batch_target, settings.lock_timeout, settings.lock_give_up);
}

void Batches::stop(bool now, Commands& out) {
    if (backfill_) backfill_->stop(now, out);
}

EntryDetail Batches::figures() const {
    EntryDetail detail;
    detail.rows_read = backfill_->rows_done();
    detail.rows_filled = backfill_->rows_filled();
    detail.rows_wrong = backfill_->rows_wrong();
    return detail;
}

Then Batches::moved(Step const& step, bool gate_opened, Reply& reply) {
    assert(purpose_ != Purpose::losses);
    switch (backfill_->state()) {
        case BackfillMachine::State::running:
            return then::Wait{};
        case BackfillMachine::State::done:
            return done(step, reply);
        case BackfillMachine::State::misses:
            return missed(step, gate_opened, reply);
        case BackfillMachine::State::failed:
            return then::Fail{backfill_->outcome()};
        case BackfillMachine::State::stopped:
            if (purpose_ == Purpose::comes_back) changes_[step.noted_for + ".back"] = backfill_->changes();
            return then::GoOn{};
    }
    return then::Wait{};
}

Then Batches::done(Step const& step, Reply& reply) {
    // The guard goes with the entry once more: the triggers were there all the while, so what was seen still holds.
    switch (purpose_) {
        case Purpose::fill:
            changes_[step.id] = backfill_->changes();
            return then::Write{{EntryKind::step_done, step.id, {}, step.rows->guard}};
        case Purpose::proof:
        case Purpose::proof_again:
            changes_[step.id] = backfill_->changes();
            reply.announce(ProofDone{step.id, step.rows->table.text(), 0, {}});
            return then::Write{{purpose_ == Purpose::proof ? EntryKind::step_done : EntryKind::checked, step.id,
                                figures(), step.rows->guard}};
        case Purpose::at_gate:
            return missed(step, true, reply);
        case Purpose::comes_back:
            changes_[step.noted_for + ".back"] = backfill_->changes();
            return then::GoOn{};
        case Purpose::losses:
            break;
    }
    return then::Wait{};
}

Then Batches::missed(Step const& step, bool gate_opened, Reply& reply) const {
    if (purpose_ == Purpose::comes_back) return then::Stop{misses_aside(*backfill_, step)};
    reply.announce(ProofDone{step.id, step.rows->table.text(), backfill_->rows_wrong(), backfill_->keys()});
    if (purpose_ != Purpose::at_gate) return then::Stop{misses(*backfill_, step, gate_opened)};
    if (backfill_->rows_wrong() > 0) reply.announce(misses_at_gate(*backfill_, step));
    return then::Write{{EntryKind::checked, step.id, figures(), {}}};
}

}  // namespace weir
