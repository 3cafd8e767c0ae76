#include "orchestrator/machine/run.h"

#include <algorithm>
#include <utility>

#include "orchestrator/machine/refusal.h"
#include "plans/keys.h"
#include "plans/reader.h"

namespace weir {
namespace {

constexpr Millis hand_rest{50};

/// For a terminal: a key is what stands in a row.
Sealed among_them(std::vector<Sealed> const& keys) {
    std::string text;
    for (auto const& key : keys) text += (text.empty() ? "among them " : "; ") + key.reveal();
    return Sealed{std::move(text)};
}

bool is_gone(Fate fate) { return fate == Fate::lost || fate == Fate::in_doubt; }

}  // namespace

RunMachine::RunMachine(Config config)
    : config_{std::move(config)},
      record_{config_.record},
      entries_{config_.program.run, config_.epoch, record_.last_seq + 1},
      backup_{config_.program.plan, config_.program.run},
      gate_{gate_config()} {
    undoing_ = record_.aborting;
    // What was set holds until the run ends; a key that this version does not know is nothing to it.
    for (auto const& [key, value] : record_.settings) {
        auto changed = with_setting(config_.settings, key, value);
        if (auto* settings = std::get_if<Settings>(&changed)) config_.settings = std::move(*settings);
    }
    hands_ = config_.settings.workers.value_or(keys::workers_auto);
    abort_wanted_ = config_.abort && !undoing_;
    rollback_wanted_ = config_.rollback;
    old_may_return_ = (config_.rollback || config_.abort) &&
                      (config_.told_again || config_.approve.contains("all") || config_.approve.contains("contract"));
    abort_user_ = config_.user;
}

GateMachine::Config RunMachine::gate_config() const {
    auto config = GateMachine::config(config_.program, record_, config_.epoch);
    if (config_.approve.contains("contract") || config_.approve.contains("all")) config.voter = config_.user;
    return config;
}

void RunMachine::say(Commands& out, decltype(Event::what) what) const {
    out.emplace_back(Announce{{at_.wall, std::move(what)}});
}

Step const* RunMachine::current() const {
    auto const at = doing_ == Doing::watching ? watch_.step() : doing_ == Doing::weighing ? weighing_ : step_;
    return at < config_.program.steps.size() ? &config_.program.steps[at] : nullptr;
}

bool RunMachine::contracting() const {
    return std::any_of(config_.program.steps.begin(), config_.program.steps.end(), [&](Step const& s) {
        return s.phase == Phase::contract && s.kind != StepKind::proof && s.kind != StepKind::backup && is_done(s);
    });
}

Commands RunMachine::resume(Input const& input) {
    Commands out;
    if (doing_ == Doing::over) return out;
    at_ = input.at;
    if (std::holds_alternative<Started>(input.what)) {
        run_began_ = at_.steady;
        say(out,
            RunBegan{config_.program.plan, static_cast<std::int64_t>(config_.program.run),
                     !record_.begun.empty() || !record_.done.empty(), static_cast<int>(config_.program.steps.size())});
        started_ = true;
        for (auto const& order : early_) on_order(order, out);
        early_.clear();
        connect_next(out);
    } else if (auto const* completed = std::get_if<Completed>(&input.what)) {
        on(*completed, out);
    } else if (auto const* measured = std::get_if<Measured>(&input.what)) {
        on_measured(*measured, out);
    } else if (auto const* order = std::get_if<Ordered>(&input.what)) {
        // Given while nobody worked: what comes of it is told after the beginning.
        if (started_)
            on_order(*order, out);
        else
            early_.push_back(*order);
    } else if (auto const* interrupted = std::get_if<Interrupted>(&input.what)) {
        on_interrupt(*interrupted, out);
    } else if (std::holds_alternative<Ticked>(input.what)) {
        on_tick(out);
    } else if (auto const* lost = std::get_if<Lost>(&input.what)) {
        stop({Code::connection_lost,
              {},
              "the connection was lost: " + lost->message,
              "run the same command again: it goes on where the ledger stands"},
             out);
    }
    if (doing_ != Doing::over) write_notes(out);
    return out;
}

// ---- sessions ---------------------------------------------------------------------------------------------------

void RunMachine::connect_next(Commands& out) {
    if (connecting_hand_ > static_cast<std::size_t>(hands_)) {
        connected_ = true;
        doing_ = Doing::idle;
        advance(out);
        return;
    }
    taking_hand_ = false;
    pending_ = ids_();
    out.emplace_back(Connect{*pending_, SessionId{static_cast<std::uint8_t>(connecting_hand_)}});
}

// ---- the way forward --------------------------------------------------------------------------------------------

void RunMachine::advance(Commands& out) {
    doing_ = Doing::idle;
    if (stopping_) {
        stop({Code::interrupted,
              {},
              "interrupted; what was begun is finished or rolled back",
              "run the same command again to go on"},
             out);
        return;
    }
    if (rollback_wanted_) {
        start_rollback(out);
        return;
    }
    if (abort_wanted_ && !undoing_) {
        start_abort(abort_user_, out);
        return;
    }
    if (undoing_) {
        if (entries_.notes())
            doing_ = Doing::noting;
        else
            undo_next(out);
        return;
    }
    if (entries_.notes()) {
        doing_ = Doing::noting;
        return;
    }
    if (!record_.paused_by.empty()) {
        doing_ = Doing::paused;
        if (!pause_told_) say(out, Paused{record_.paused_by});
        pause_told_ = true;
        if (config_.no_wait) quit(3, RunState::waiting, out);
        return;
    }
    auto const& steps = config_.program.steps;
    step_ = static_cast<std::size_t>(
        std::find_if(steps.begin(), steps.end(), [&](Step const& s) { return !is_done(s); }) - steps.begin());
    if (reproving_) step_ = *reproving_;
    Step const* step = current();
    if (step == nullptr) {
        finish_run(EntryKind::finished, out);
        return;
    }
    if (config_.until && step->phase > *config_.until) {
        say(out, Warned{"stopped after phase " + std::string{name(*config_.until)} + ", as asked",
                        "run again without --until to go on"});
        quit(0, RunState::stopped, out);
        return;
    }
    if (step->phase == Phase::quarantine && !quarantine_over_) {
        rest_in_quarantine(out);
        return;
    }
    if (step->phase == Phase::contract && config_.program.gate && !record_.gate_approved) {
        open_gate(out);
        return;
    }
    if (config_.no_wait && (step->kind == StepKind::fill || step->kind == StepKind::proof)) {
        if (auto const reason = schedule_reason(); !reason.empty()) {
            say(out, Warned{"step " + step->id + " (" + step->title + ") waits: " + reason,
                            "run again when it opens, or without --no-wait"});
            quit(3, RunState::waiting, out);
            return;
        }
    }
    if (Step const* backup = backup_.unseen(config_.program, record_, step->phase); backup != nullptr) {
        backup_.look(*backup, record_.backups[backup->id], ids_, out);
        doing_ = Doing::backup;
        return;
    }
    if (phase_ != step->phase) {
        phase_ = step->phase;
        say(out, PhaseBegan{*phase_});
    }
    begin_step(*step, out);
}

void RunMachine::begin_step(Step const& step, Commands& out) {
    step_began_ = at_.steady;
    say(out, StepBegan{step.id, step.title, step.phase});
    if (step.kind == StepKind::transactional) {
        start_ladder(step, false, out);
    } else if (!record_.begun.contains(step.id)) {
        write(EntryKind::step_begun, step.id, {}, {}, out);
    } else if (step.kind == StepKind::standalone) {
        start_standalone(step, out);
    } else if (step.kind == StepKind::backup) {
        start_backup(step, out);
    } else {
        start_backfill(step, out);
    }
}

void RunMachine::start_ladder(Step const& step, bool undo, Commands& out) {
    LockLadder::Config config;
    config.step = step.id;
    config.fence = {fence(config_.epoch)};
    config.first = {fence(config_.epoch), insert_entry(config_.program.run, entries_.next(), config_.epoch,
                                                       undo ? EntryKind::step_undone : EntryKind::step_done, step.id)};
    config.locks = undo ? step.undo_locks : step.locks;
    config.body = undo ? still_so(step) : step.forward;
    if (undo) config.body.insert(config.body.end(), step.undo.begin(), step.undo.end());
    if (!undo) {
        Batch checks;
        if (step.proven_by.empty()) {
            // Whatever changes a table changes its children, too.
            for (auto const& lock : step.locks)
                if (lock.mode == LockMode::access_exclusive && !step.whole_table)
                    checks.push_back(check_kinds(lock.table));
        } else {
            checks.push_back(check_shape(proof_of(step).rows->table, config_.program.run, step.proven_by));
            // Before the lock, too: what it reads is then in memory, and what it refuses needs no lock.
            config.first.push_back(checks.back());
        }
        config.body.insert(config.body.begin(), checks.begin(), checks.end());
        if (!step.noted_for.empty())
            config.body.push_back(note_shape(step.undo_rows->table, config_.program.run, step.noted_for));
    } else if (!step.noted_for.empty()) {
        config.body.insert(config.body.begin(),
                           check_shape(step.undo_rows->table, config_.program.run, step.noted_for + ".back"));
    }
    config.bound = config_.settings.lock_timeout;
    config.give_up = config_.settings.lock_give_up;
    config.scans = undo ? step.undo_scans : step.scans;
    config.on_blocked = config_.settings.on_blocked;
    config.may_set_deadlock_timeout = config_.may_set_deadlock_timeout;
    config.seed = static_cast<std::uint64_t>(at_.wall.time_since_epoch().count());
    ladder_.emplace(std::move(config));
    doing_ = Doing::ladder;
    ladder_->start(at_, ids_, out);
}

void RunMachine::ladder_moved(Commands& out) {
    Step const& step = *current();
    switch (ladder_->state()) {
        case LockLadder::State::running:
            return;
        case LockLadder::State::done:
            entries_.passed();
            // The lock is gone with the local commit; now wait until the standbys have it, too.
            write(EntryKind::step_told, step.id, {}, {}, out);
            return;
        case LockLadder::State::stopped:
            advance(out);
            return;
        case LockLadder::State::too_much:
            stop({Code::too_much_work,
                  {},
                  "step " + step.id + " (" + step.title + ") is more work than fits into the " +
                      std::to_string(config_.settings.lock_timeout.count()) +
                      " ms that it may make others wait: nobody was in the way, " + std::to_string(ladder_->tries()) +
                      " tries were made, and nothing of them is left",
                  "write locks: { timeout: " + std::to_string(ladder_->bound_that_would_do().count()) +
                      "ms } into the plan, or give it to the run (weir set " + config_.program.plan +
                      " locks.timeout " + std::to_string(ladder_->bound_that_would_do().count()) +
                      "ms), and run again; whoever uses the table may then have to wait so long"},
                 out);
            return;
        case LockLadder::State::gave_up: {
            std::string who, seen;
            for (auto const& blocker : ladder_->blockers()) who += (who.empty() ? "; in the way: " : "; ") + blocker;
            for (auto const& blocker : ladder_->seen())
                seen += (seen.empty() ? "in the way: " : "; ") + blocker.reveal();
            std::string const tried = " within " + std::to_string(config_.settings.lock_give_up.count() / 1000) +
                                      " s, " + std::to_string(ladder_->tries()) + " tries";
            std::string const what = "step " + step.id + " (" + step.title + ")";
            if (!ladder_->outcome().marks.empty() && who.empty())
                stop({Code::gave_up_lock,
                      {},
                      what + " never came to its end in the " + std::to_string(config_.settings.lock_timeout.count()) +
                          " ms that it may make others wait," + tried,
                      "run again at a quieter time, or with a longer locks.timeout"},
                     out);
            else
                stop({Code::gave_up_lock,
                      {},
                      "could not get the lock for " + what + tried + who,
                      who.empty() ? "run again at a quieter time" : ladder_->advice(),
                      Sealed{std::move(seen)}},
                     out);
            return;
        }
        case LockLadder::State::failed:
            if (!prove_again(ladder_->outcome(), out)) failed(ladder_->outcome(), out);
            return;
    }
}

/// REQUIRES that it stands on one.
Step const& RunMachine::proof_of(Step const& step) const {
    return *std::find_if(config_.program.steps.begin(), config_.program.steps.end(),
                         [&](Step const& s) { return s.id == step.proven_by; });
}

/// What a step stands on was changed after its proof: that is read anew, where it changed, and the step tried again.
bool RunMachine::prove_again(Outcome const& outcome, Commands& out) {
    Step const& step = *current();
    if (outcome.fate != Fate::refused || outcome.sqlstate != "WE007") return false;
    if (undoing_) {
        say(out, Warned{"undo of step " + step.id + " (" + step.title + "): " + outcome.message,
                        "what has changed is read before the column comes back"});
        auto config = backfill_config(step, *step.undo_rows, true);
        config.step = step.noted_for + ".back";
        config.gate_opened = true;
        config.changes = changes_[config.step];
        backfill_.emplace(std::move(config));
        doing_ = Doing::returning;
        backfill_->start(at_, ids_, out);
        judge_pace(out);
        return_moved(out);
        return true;
    }
    say(out, Warned{"step " + step.id + " (" + step.title + "): " + outcome.message,
                    "it is proven once more, where it changed, before anything is dropped"});
    reproving_ = static_cast<std::size_t>(&proof_of(step) - config_.program.steps.data());
    advance(out);
    return true;
}

void RunMachine::return_moved(Commands& out) {
    Step const& step = *current();
    auto const table = step.undo_rows->table.text();
    switch (backfill_->state()) {
        case BackfillMachine::State::running:
            return;
        case BackfillMachine::State::done:
        case BackfillMachine::State::stopped:
            changes_[step.noted_for + ".back"] = backfill_->changes();
            advance(out);
            return;
        case BackfillMachine::State::misses:
            stop({Code::misses,
                  {},
                  std::to_string(backfill_->rows_wrong()) + " rows of " + table +
                      " are not right: " + step.aside->text() + " does not say what the column that stays says",
                  "they were written without the sync since the column was set aside: compare both columns, mend the "
                  "rows, and give the same command again",
                  among_them(backfill_->keys())},
                 out);
            return;
        case BackfillMachine::State::failed:
            failed(backfill_->outcome(), out);
            return;
    }
}

void RunMachine::start_standalone(Step const& step, Commands& out) {
    in_the_way_.forget();
    standalone_.emplace(step, config_.settings.lock_timeout);
    doing_ = Doing::standalone;
    standalone_->start(ids_, out);
}

void RunMachine::standalone_moved(Commands& out) {
    Step const& step = *current();
    auto const& outcome = standalone_->outcome();
    switch (standalone_->state()) {
        case Standalone::State::probing:
        case Standalone::State::repairing:
        case Standalone::State::running:
        case Standalone::State::resting:
            return;
        case Standalone::State::tolerated:
            say(out, Warned{"step " + step.id + " (" + step.title + ") did not work: " + outcome.message,
                            "the run goes on; do it by hand when there is time", words_of(outcome)});
            [[fallthrough]];
        case Standalone::State::done:
            write(EntryKind::step_done, step.id, {}, {}, out);
            return;
        case Standalone::State::no_result:
            stop({Code::statement_refused, {}, "step " + step.id + " ran, and the server does not show its result", ""},
                 out);
            return;
        case Standalone::State::stopped:
            advance(out);
            return;
        case Standalone::State::failed:
            failed(outcome, out);
            return;
    }
}

BackfillMachine::Config RunMachine::backfill_config(Step const& step, Rows const& rows, bool proof) const {
    auto const& settings = config_.settings;
    // A proof only reads; how much a second reader adds is known.
    return {.run = config_.program.run,
            .epoch = config_.epoch,
            .step = step.id,
            .rows = rows,
            .proof = proof,
            .gate_opened = record_.gate_opened,
            .workers = std::min(hands_, settings.workers.value_or(proof ? proof_workers : keys::workers_auto)),
            .all = settings.workers.has_value() || proof,
            .target = settings.batch_target,
            .bound = settings.lock_timeout,
            .give_up = settings.lock_give_up,
            .afresh = false,
            .changes = 0,
            .plain = settings.plain || config_.plain,
            .pages_at_first = config_.pages_at_first.value_or(pages_at_first),
            // What ended connections twice is narrowed down: ranges do not grow again on the way to it.
            .range_at_most = config_.plain ? config_.pages_at_first.value_or(pages_at_most) : pages_at_most,
            .sweep = config_.sweep};
}

void RunMachine::start_backfill(Step const& step, Commands& out) {
    auto config = backfill_config(step, *step.rows, step.kind == StepKind::proof);
    config.changes = changes_[step.id];
    backfill_.emplace(std::move(config));
    doing_ = Doing::working;
    backfill_->start(at_, ids_, out);
    pace_.begin(at_);
    judge_pace(out);
    backfill_moved(out);
}

EntryDetail RunMachine::proof_figures() const {
    EntryDetail detail;
    detail.rows_read = backfill_->rows_done();
    detail.rows_filled = backfill_->rows_filled();
    detail.rows_wrong = backfill_->rows_wrong();
    return detail;
}

void RunMachine::backfill_moved(Commands& out) {
    Step const& step = *current();
    auto const table = step.rows->table.text();
    switch (backfill_->state()) {
        case BackfillMachine::State::running:
            return;
        case BackfillMachine::State::done:
            changes_[step.id] = backfill_->changes();
            if (step.kind == StepKind::proof) say(out, ProofDone{step.id, table, 0, {}});
            // The guard once more: the triggers were there all the while, so what the pass saw still holds.
            write(reproving_ ? EntryKind::checked : EntryKind::step_done, step.id,
                  step.kind == StepKind::proof ? proof_figures() : EntryDetail{}, step.rows->guard, out);
            return;
        case BackfillMachine::State::misses: {
            say(out, ProofDone{step.id, table, backfill_->rows_wrong(), backfill_->keys()});
            std::string const rows = std::to_string(backfill_->rows_wrong()) + " rows of " + table;
            if (step.rows->erases)
                stop({Code::misses,
                      {},
                      rows + " are still there",
                      "a trigger keeps them, or they stayed locked: mend that or the plan, and run again",
                      among_them(backfill_->keys())},
                     out);
            else
                stop({Code::misses,
                      {},
                      rows + " are not right",
                      record_.gate_opened
                          ? "the new application may have written them: compare both columns, mend the rows, and run "
                            "again"
                          : "the expression gives NULL (or finds no row), or the rows stayed locked: mend the rows or "
                            "the plan, and run again",
                      among_them(backfill_->keys())},
                     out);
            return;
        }
        case BackfillMachine::State::failed:
            failed(backfill_->outcome(), out);
            return;
        case BackfillMachine::State::stopped:
            advance(out);
            return;
    }
}

void RunMachine::start_backup(Step const& step, Commands& out) {
    backup_.make(step, still_destroyed(config_.program, record_, step.phase), ids_, out);
    doing_ = Doing::backup;
}

void RunMachine::backup_came(Completed const& completed, Commands& out) {
    backup_.completed(at_, completed, leaving(), config_.settings.lock_give_up, ids_, out);
    switch (backup_.state()) {
        case Backup::State::idle:
        case Backup::State::listing:
        case Backup::State::dumping:
        case Backup::State::looking:
            return;
        case Backup::State::made:
            write(EntryKind::backed_up, backup_.step(), backup_.detail(), {}, out);
            return;
        case Backup::State::refused:
            failed(completed.outcome, out);
            return;
        case Backup::State::failed:
            stop(backup_.problem(), out);
            return;
        case Backup::State::missing:
            record_.done.erase(backup_.step());
            [[fallthrough]];
        case Backup::State::stopped:
        case Backup::State::there:
            advance(out);
            return;
    }
}

void RunMachine::step_finished(Commands& out) {
    Step const& step = *current();
    auto const took = at_.steady - step_began_;
    if (undoing_) {
        record_.undone_steps.insert(step.id);
        say(out, StepUndone{step.id, step.title, took});
    } else {
        record_.done.insert(step.id);
        if (GateWatch::repeats(step)) watch_.made(took);
        say(out, StepDone{step.id, step.title, step.phase, took});
    }
    advance(out);
}

// ---- the gate ---------------------------------------------------------------------------------------------------

void RunMachine::open_gate(Commands& out) {
    doing_ = Doing::gate;
    if (!record_.gate_opened) {
        write(EntryKind::gate_opened, "", {}, {}, out);
        return;
    }
    gate_.open(at_, entries_, ids_, out);
    watch_.rest(at_.steady);
    if (gate_.approved())
        approved(out);
    else if (gate_.asks())
        gate_.ask(ids_, out);
    else if (config_.no_wait && !gate_.looking())
        quit(3, RunState::waiting, out);
}

void RunMachine::approved(Commands& out) {
    EntryDetail detail;
    detail.user = gate_.approved_by();
    write(EntryKind::gate_approved, "", detail, {}, out);
}

void RunMachine::pass_gate(Commands& out) {
    if (doing_ == Doing::gate) approved(out);
    if (doing_ == Doing::watching) stop_watching(out);
}

void RunMachine::gate_came(Completed const& completed, Commands& out) {
    switch (gate_.completed(at_, completed, leaving(), out)) {
        case GateMachine::Answer::nothing:
            return;
        case GateMachine::Answer::waits:
            if (config_.no_wait && doing_ == Doing::gate) quit(3, RunState::waiting, out);
            return;
        case GateMachine::Answer::approved:
            pass_gate(out);
            return;
        case GateMachine::Answer::failed:
            failed(completed.outcome, out);
            return;
        case GateMachine::Answer::ledger_gone:
            if (doing_ == Doing::gate) stop(ledger_gone(completed.outcome), out);
            return;
    }
}

void RunMachine::on_tick(Commands& out) {
    // Nobody else would say why it stands still.
    if (unlimited() && hand_pid_ != 0) in_the_way_.behind(hand_pid_, ids_, out);
    if (doing_ == Doing::gate || doing_ == Doing::watching) {
        gate_.ask(ids_, out);
        gate_.look(false, ids_, out);
    }
    judge_pace(out);
    child_moved(out);
    if (doing_ != Doing::gate || !record_.paused_by.empty() || !watch_.due(at_.steady) || !schedule_reason().empty())
        return;
    watch_.begin(at_.steady);
    watch_next(out);
}

/// What a repeated proof finds is told, and what is still NULL is filled.
void RunMachine::watch_next(Commands& out) {
    if (leaving()) {
        advance(out);
        return;
    }
    Step const* step = gate_.approved() ? nullptr : watch_.next(config_.program, record_, at_.steady);
    if (step == nullptr) {
        doing_ = Doing::gate;
        if (gate_.approved())
            approved(out);
        else
            gate_.look(true, ids_, out);
        return;
    }
    auto config = backfill_config(*step, *step->rows, true);
    // Its own progress: that of the step belongs to the step.
    config.step += ".again";
    config.afresh = true;
    backfill_.emplace(std::move(config));
    doing_ = Doing::watching;
    backfill_->start(at_, ids_, out);
    judge_pace(out);
    watch_moved(out);
}

void RunMachine::watch_moved(Commands& out) {
    Step const& step = config_.program.steps[watch_.step()];
    auto const table = step.rows->table.text();
    switch (backfill_->state()) {
        case BackfillMachine::State::running:
            return;
        case BackfillMachine::State::done:
        case BackfillMachine::State::misses:
            say(out, ProofDone{step.id, table, backfill_->rows_wrong(), backfill_->keys()});
            if (backfill_->rows_wrong() > 0) {
                say(out,
                    Warned{std::to_string(backfill_->rows_wrong()) + " rows of " + table +
                               " are not right while the gate is open",
                           "compare both columns and mend them: the contract phase begins with the same proof, and "
                           "stops on them",
                           among_them(backfill_->keys())});
            }
            watch_.proven();
            write(EntryKind::checked, step.id, proof_figures(), {}, out);
            return;
        case BackfillMachine::State::failed:
            failed(backfill_->outcome(), out);
            return;
        case BackfillMachine::State::stopped:
            watch_next(out);
            return;
    }
}

void RunMachine::stop_watching(Commands& out) {
    backfill_->stop(true, out);
    watch_moved(out);
}

// ---- undo and the end -------------------------------------------------------------------------------------------

void RunMachine::start_abort(std::string const& user, Commands& out) {
    if (contracting()) {
        if (!record_.quarantined && gone_for_good() == nullptr) {
            rollback_wanted_ = true;
            start_rollback(out);
            return;
        }
        abort_wanted_ = false;
        Problem const why = record_.quarantined
                                ? Problem{Code::not_now,
                                          {},
                                          "contract is done, and what it set aside is in quarantine",
                                          "weir rollback " + config_.program.plan + " brings everything back"}
                                : only_forward();
        if (config_.abort) {
            stop(why, out);
        } else {
            say(out, Warned{why.message, why.hint});
            advance(out);
        }
        return;
    }
    EntryDetail detail;
    detail.user = user;
    write(EntryKind::aborting, "", detail, {}, out);
}

void RunMachine::ask_control(Doing doing, Batch batch, Commands& out) {
    doing_ = doing;
    pending_ = ids_();
    out.emplace_back(Execute{*pending_, control, std::move(batch), Transaction::implicit, gate_limits});
}

void RunMachine::rest_in_quarantine(Commands& out) {
    if (record_.quarantined) {
        ask_control(Doing::asking_end, quarantine_end(config_.program.run), out);
        return;
    }
    EntryDetail detail;
    detail.quarantine_ms = config_.program.quarantine.count();
    write(EntryKind::quarantined, "", detail, {}, out);
}

void RunMachine::quarantine_answered(Outcome const& outcome, Commands& out) {
    if (outcome.fate != Fate::done || outcome.rows.empty()) {
        failed(outcome, out);
        return;
    }
    auto const& fields = outcome.rows[0].fields;
    if (fields[0] == "t") {
        quarantine_over_ = true;
        advance(out);
        return;
    }
    quit(0, RunState::quarantined, out, fields[1].value_or(""), Instant{Millis{std::stoll(fields[2].value_or("0"))}});
}

void RunMachine::start_rollback(Commands& out) {
    auto const& steps = config_.program.steps;
    if (!contracting()) {
        refuse({Code::not_now,
                {},
                "plan " + config_.program.plan + " has nothing in quarantine yet",
                "weir abort " + config_.program.plan + " undoes it"},
               out);
        return;
    }
    if (gone_for_good() != nullptr) {
        refuse(only_forward(), out);
        return;
    }
    for (auto const& step : steps)
        if (step.phase == Phase::quarantine && step.kind != StepKind::backup && step.kind != StepKind::proof &&
            is_done(step)) {
            refuse({Code::not_now,
                    {},
                    "the quarantine is over, and step " + step.id + " (" + step.title + ") is done",
                    "what is dropped cannot be brought back; weir purge " + config_.program.plan + " ends the run"},
                   out);
            return;
        }
    // From then on the counters stand still, and the rows are counted.
    if (record_.reopened) {
        rollback_wanted_ = false;
        advance(out);
        return;
    }
    Batch ask;
    for (auto const& step : steps)
        if (is_done(step) && !record_.undone_steps.contains(step.id))
            ask.insert(ask.end(), step.undo_guard.begin(), step.undo_guard.end());
    auto const count = count_lost(config_.program.run);
    ask.insert(ask.end(), count.begin(), count.end());
    ask_control(Doing::counting, std::move(ask), out);
}

void RunMachine::counted(Outcome const& outcome, Commands& out) {
    if (auto const why = rollback_refusal(outcome, config_.program.plan)) {
        refuse(*why, out);
        return;
    }
    if (outcome.fate != Fate::done || outcome.rows.empty()) {
        failed(outcome, out);
        return;
    }
    auto const lost = std::stoll(outcome.rows[0].fields[0].value_or("0"));
    auto const accepted = config_.accept_loss.value_or(record_.accept_loss.value_or(0));
    if (lost != accepted) {
        auto const number = std::to_string(lost);
        refuse(
            {Code::would_lose,
             {},
             number + (lost == 1 ? " value" : " values") + " written since contract did not go back to the old column" +
                 (accepted == 0 ? "" : ", and " + std::to_string(accepted) + " were accepted"),
             lost == 0 ? "nothing would be lost: leave --accept-loss out"
                       : "compare the columns; to roll back and lose exactly these: weir rollback " +
                             config_.program.plan + " --accept-loss " + number},
            out);
        return;
    }
    if (!undoing_ && complete_way_back(out)) return;
    rollback_wanted_ = false;
    if (undoing_ && record_.accept_loss.value_or(0) == accepted) {
        advance(out);
        return;
    }
    EntryDetail detail;
    detail.user = abort_user_;
    detail.accept_loss = accepted;
    write(EntryKind::rolling_back, "", detail, {}, out);
}

/// Nothing was begun: the ledger stays as it is. That an order was refused is written down, or every weir to come would
/// refuse it again and could not go forward.
void RunMachine::refuse(Problem const& why, Commands& out) {
    if (!config_.rollback && !config_.abort) {
        refused_order_ = abort_order_;
        stop(why, out);
        return;
    }
    say(out, Stopped{why});
    quit(exit_code(why.code), RunState::stopped, out);
}

void RunMachine::undo_next(Commands& out) {
    auto const& steps = config_.program.steps;
    for (std::size_t i = steps.size(); i-- > 0;) {
        auto const& step = steps[i];
        if (!is_done(step) || step.undo.empty() || record_.undone_steps.contains(step.id)) continue;
        bool const early = step.phase < Phase::contract;
        bool const gate = early && (record_.rolling_back ? config_.program.gate : record_.gate_opened);
        if (gate && !record_.reopened) {
            EntryDetail detail;
            if (newest_abort_ > 0) detail.order = newest_abort_;
            write(EntryKind::reopened, "", detail, {}, out);
            return;
        }
        if (gate && !old_may_return_) {
            auto const shape = new_shape();
            say(out,
                Warned{(record_.rolling_back ? "the old shape is there again beside the new one: "
                                             : "the gate was open, and the old shape is there beside the new one: ") +
                           std::string{"the old and the new application may run"} +
                           (shape.empty() ? "" : "; undone, " + shape + " is dropped with what is in it"),
                       "when nothing uses the new shape any more: " + way_back()});
            quit(3, RunState::waiting, out);
            return;
        }
        if (early && !weighed_ && (record_.gate_opened || record_.rolling_back)) {
            weighing_ = 0;
            lost_rows_ = 0;
            lost_where_.clear();
            weighed_steps_.clear();
            weigh_next(out);
            return;
        }
        step_ = i;
        step_began_ = at_.steady;
        start_ladder(step, true, out);
        return;
    }
    if (!record_.rolling_back) {
        finish_run(EntryKind::undone, out);
        return;
    }
    Batch counters;
    for (auto const& step : steps)
        if (step.lost_counter) counters.push_back(sql("DROP SEQUENCE IF EXISTS weir_sync.{0}", *step.lost_counter));
    write(EntryKind::rolled_back, "", {}, std::move(counters), out);
}

void RunMachine::finish_run(EntryKind kind, Commands& out) { write(kind, "", {}, {}, out); }

// ---- entries ----------------------------------------------------------------------------------------------------

void RunMachine::write(EntryKind kind, std::string const& step, EntryDetail const& detail, Batch guard, Commands& out) {
    pending_.reset();
    entries_.write({kind, step, detail, std::move(guard)}, ids_, out);
    doing_ = Doing::writing;
}

void RunMachine::note(EntryKind kind, EntryDetail detail, Ordered const& order) {
    detail.user = order.user;
    detail.order = order.order;
    record_.last_order = order.order;
    entries_.note(kind, std::move(detail));
}

/// Where nothing else of ours writes an entry; elsewhere they wait for the next step.
void RunMachine::write_notes(Commands& out) {
    if (doing_ == Doing::working || doing_ == Doing::gate || doing_ == Doing::watching || doing_ == Doing::noting ||
        doing_ == Doing::paused || (doing_ == Doing::backup && backup_.state() == Backup::State::dumping))
        entries_.write_note(ids_, out);
}

void RunMachine::entry_came(Completed const& completed, Commands& out) {
    switch (entries_.completed(at_, completed, stopping_, ids_, out)) {
        case Entries::Came::nothing:
            return;
        case Entries::Came::note:
            if (doing_ == Doing::noting) advance(out);
            return;
        case Entries::Came::entry:
            wrote(entries_.entry(), out);
            return;
        case Entries::Came::failure:
            if (exit_ && entries_.entry().kind == EntryKind::stopped)
                quit(*exit_, RunState::stopped, out);
            else
                failed(completed.outcome, out);
            return;
    }
}

void RunMachine::wrote(Entries::Entry const& entry, Commands& out) {
    switch (entry.kind) {
        case EntryKind::step_begun: {
            Step const& step = *current();
            record_.begun.insert(step.id);
            if (leaving())
                advance(out);
            else if (step.kind == StepKind::standalone)
                start_standalone(step, out);
            else if (step.kind == StepKind::backup)
                start_backup(step, out);
            else
                start_backfill(step, out);
            return;
        }
        case EntryKind::step_done:
        case EntryKind::step_told:
            step_finished(out);
            return;
        case EntryKind::backed_up: {
            auto const& made = entry.detail;
            record_.backups[entry.step] = {made.file, *made.bytes};
            backup_.seen();
            say(out, BackedUp{entry.step, made.file, *made.bytes, made.sha256});
            step_finished(out);
            return;
        }
        case EntryKind::gate_opened:
            record_.gate_opened = true;
            if (leaving())
                advance(out);
            else
                open_gate(out);
            return;
        case EntryKind::gate_approved:
            record_.gate_approved = true;
            say(out, GateApproved{"contract", entry.detail.user});
            advance(out);
            return;
        case EntryKind::checked:
            if (std::exchange(reproving_, std::nullopt))
                step_finished(out);
            else
                watch_next(out);
            return;
        case EntryKind::aborting:
            record_.aborting = undoing_ = true;
            if (entry.detail.accept_loss) record_.accept_loss = entry.detail.accept_loss;
            advance(out);
            return;
        case EntryKind::quarantined:
            record_.quarantined = true;
            advance(out);
            return;
        case EntryKind::rolling_back:
            record_.aborting = record_.rolling_back = undoing_ = true;
            record_.accept_loss = entry.detail.accept_loss;
            advance(out);
            return;
        case EntryKind::reopened:
            record_.reopened = true;
            record_.last_abort = newest_abort_;
            advance(out);
            return;
        case EntryKind::finished:
            quit(0, RunState::done, out);
            return;
        case EntryKind::undone:
        case EntryKind::rolled_back:
            quit(6, RunState::undone, out);
            return;
        case EntryKind::stopped:
            quit(*exit_, RunState::stopped, out);
            return;
        case EntryKind::began:
        case EntryKind::step_undone:
        case EntryKind::approval:
        case EntryKind::paused:
        case EntryKind::resumed:
        case EntryKind::set:
            return;
    }
}

// ---- inputs -----------------------------------------------------------------------------------------------------

void RunMachine::on(Completed const& completed, Commands& out) {
    if (ladder_ && ladder_->owns(completed.command)) {
        if (is_gone(completed.outcome.fate)) lost_at_work_ = at_work();
        ladder_->completed(at_, completed, ids_, out);
        ladder_moved(out);
        return;
    }
    if (backfill_ && backfill_->owns(completed.command)) {
        judge_pace(out);
        backfill_->completed(at_, completed, ids_, out);
        child_moved(out);
        return;
    }
    if (gate_.owns(completed.command)) {
        gate_came(completed, out);
        return;
    }
    if (doing_ == Doing::backup && backup_.owns(completed.command)) {
        backup_came(completed, out);
        return;
    }
    if (entries_.owns(completed.command)) {
        entry_came(completed, out);
        return;
    }
    if (in_the_way_.owns(completed.command)) {
        in_the_way_.completed(completed);
        auto const& blockers = in_the_way_.blockers();
        if (!blockers.empty() && current()) say(out, WaitsFor{current()->id, texts_of(blockers), seen_of(blockers)});
        return;
    }
    if (doing_ == Doing::standalone && standalone_->owns(completed.command)) {
        if (is_gone(completed.outcome.fate)) lost_at_work_ = at_work();
        standalone_->completed(completed, leaving(), in_the_way_, ids_, out);
        standalone_moved(out);
        return;
    }
    if (pending_ != completed.command) return;
    pending_.reset();
    auto const& outcome = completed.outcome;
    switch (doing_) {
        case Doing::connecting:
            if (stopping_) {
                advance(out);
            } else if (outcome.fate == (taking_hand_ ? Fate::canceled : Fate::done)) {
                // Connected, or rested: take the share of `hands`.
                taking_hand_ = true;
                pending_ = ids_();
                out.emplace_back(Execute{*pending_, SessionId{static_cast<std::uint8_t>(connecting_hand_)},
                                         take_hand(config_.epoch), Transaction::implicit, entry_limits});
            } else if (outcome.fate != Fate::done) {
                failed(outcome, out);
            } else if (!outcome.rows.empty() && outcome.rows[0].fields[0] == "t") {
                if (connecting_hand_ == 1 && outcome.rows[0].fields.size() > 1)
                    hand_pid_ = std::stoi("0" + outcome.rows[0].fields[1].value_or(""));
                ++connecting_hand_;
                connect_next(out);
            } else {
                // A newcomer looks whether all hands are free; it lets go at once, or it fences us.
                taking_hand_ = false;
                pending_ = ids_();
                out.emplace_back(Rest{*pending_, hand_rest});
            }
            return;
        case Doing::asking_end:
            quarantine_answered(outcome, out);
            return;
        case Doing::counting:
            counted(outcome, out);
            return;
        case Doing::guarding:
            guarded(outcome, out);
            return;
        case Doing::idle:
        case Doing::ladder:
        case Doing::working:
        case Doing::gate:
        case Doing::watching:
        case Doing::returning:
        case Doing::weighing:
        case Doing::standalone:
        case Doing::backup:
        case Doing::writing:
        case Doing::noting:
        case Doing::paused:
        case Doing::over:
            return;
    }
}

void RunMachine::on_measured(Measured const& measured, Commands& out) {
    pace_.measured(measured, config_.settings, at_, out);
    judge_pace(out);
    child_moved(out);
}

void RunMachine::child_moved(Commands& out) {
    if (doing_ == Doing::working)
        backfill_moved(out);
    else if (doing_ == Doing::watching)
        watch_moved(out);
    else if (doing_ == Doing::returning)
        return_moved(out);
    else if (doing_ == Doing::weighing)
        weigh_moved(out);
}

/// Why no fill and no proof may go on now; empty when they may.
std::string RunMachine::schedule_reason() { return pace_.closed(config_.settings.schedule, at_); }

void RunMachine::judge_pace(Commands& out) {
    bool const undoes = (doing_ == Doing::weighing || doing_ == Doing::returning) && backfill_;
    bool const works = (doing_ == Doing::working || doing_ == Doing::watching) && backfill_;
    auto const work = undoes                               ? PaceJudge::Work::undoes
                      : !works                             ? PaceJudge::Work::none
                      : current()->kind == StepKind::proof ? PaceJudge::Work::reads
                                                           : PaceJudge::Work::writes;
    auto const verdict = pace_.judge(work, config_.settings, record_.paused_by, at_, out);
    if (work == PaceJudge::Work::none) return;
    if (verdict.closes && config_.no_wait && doing_ == Doing::working) backfill_->stop(false, out);
    backfill_->pace(verdict.pace, verdict.may_write, at_, ids_, out);
}

void RunMachine::on_order(Ordered const& order, Commands& out) {
    if (order.word == OrderWord::pause || order.word == OrderWord::resume || order.word == OrderWord::set) {
        // Of what was given since this one began to work, a lower number may be seen later; each is given once.
        if (order.order <= config_.record.last_order) return;
        if (order.word == OrderWord::pause) pause(order, out);
        if (order.word == OrderWord::resume) go_on(order, out);
        if (order.word == OrderWord::set) set(order, out);
        return;
    }
    if (order.word == OrderWord::approve) {
        gate_.vote(order.user, at_, entries_, out);
        if (gate_.approved()) pass_gate(out);
        return;
    }
    newest_abort_ = std::max(newest_abort_, order.order);
    if (record_.refused_abort && order.order <= *record_.refused_abort) return;
    // Since the undo waits until nothing uses the new shape, this says that nothing does.
    if (undoing_ && record_.reopened && order.order > record_.last_abort && !old_may_return_) {
        old_may_return_ = true;
        abort_user_ = order.user;
        abort_order_ = order.order;
        say(out, OrderTaken{"abort", "", order.user});
    }
    if (undoing_ || abort_wanted_ || rollback_wanted_) return;
    abort_wanted_ = true;
    abort_user_ = order.user;
    abort_order_ = order.order;
    say(out, OrderTaken{"abort", "", order.user});
    if (doing_ == Doing::gate || doing_ == Doing::paused)
        advance(out);
    else if (doing_ == Doing::watching)
        stop_watching(out);
    else
        stop_child(false, out);
}

void RunMachine::pause(Ordered const& order, Commands& out) {
    if (!record_.paused_by.empty()) return;
    if (undoing_ || abort_wanted_) {
        say(out, Warned{"the order to pause by " + order.user + " is not obeyed: the run is being undone",
                        "stop the weir that works on it, if it must stop"});
        return;
    }
    record_.paused_by = order.user;
    say(out, OrderTaken{"pause", "", order.user});
    say(out, Paused{order.user});
    pause_told_ = true;
    note(EntryKind::paused, {}, order);
    judge_pace(out);
}

void RunMachine::go_on(Ordered const& order, Commands& out) {
    if (record_.paused_by.empty()) return;
    record_.paused_by.clear();
    pause_told_ = false;
    say(out, OrderTaken{"resume", "", order.user});
    say(out, Resumed{order.user});
    note(EntryKind::resumed, {}, order);
    judge_pace(out);
    if (doing_ == Doing::working) backfill_moved(out);
    if (doing_ == Doing::paused) advance(out);
}

void RunMachine::set(Ordered const& order, Commands& out) {
    auto const space = order.argument.find(' ');
    EntryDetail detail;
    detail.key = order.argument.substr(0, space);
    if (space != std::string::npos) detail.value = order.argument.substr(space + 1);
    auto changed = with_setting(config_.settings, detail.key, detail.value);
    if (auto const* problems = std::get_if<Problems>(&changed)) {
        say(out, Warned{"the order of " + order.user + " to set " + order.argument +
                            " is not obeyed: " + problems->front().message,
                        problems->front().hint});
        return;
    }
    config_.settings = std::get<Settings>(std::move(changed));
    say(out, OrderTaken{"set", order.argument, order.user});
    say(out, SettingChanged{detail.key, detail.value, order.user});
    note(EntryKind::set, detail, order);
    auto const& settings = config_.settings;
    if (backfill_) backfill_->tune(settings.batch_target, settings.lock_timeout, settings.lock_give_up);
    if (standalone_) standalone_->tune(settings.lock_timeout);
    judge_pace(out);
    if (doing_ == Doing::working) backfill_moved(out);
}

void RunMachine::on_interrupt(Interrupted const& interrupted, Commands& out) {
    stopping_ = true;
    if (doing_ == Doing::gate || doing_ == Doing::paused) {
        advance(out);
        return;
    }
    if (doing_ == Doing::watching) {
        stop_watching(out);
        return;
    }
    stop_child(interrupted.times > 1, out);
}

void RunMachine::stop_child(bool now, Commands& out) {
    if (doing_ == Doing::ladder) {
        ladder_->stop(now, out);
    } else if (doing_ == Doing::working || doing_ == Doing::weighing || doing_ == Doing::returning) {
        backfill_->stop(now, out);
        child_moved(out);
    } else if (doing_ == Doing::standalone) {
        standalone_->stop(out);
    } else if (doing_ == Doing::connecting && stopping_ && pending_) {
        // An abort needs the hands: only who stops does without them.
        out.emplace_back(Cancel{*pending_});
    } else if (doing_ == Doing::backup && backup_.state() == Backup::State::dumping) {
        out.emplace_back(Cancel{*backup_.pending()});
    } else if (entries_.state() == Entries::State::confirming && stopping_) {
        out.emplace_back(Cancel{*entries_.pending()});
    }
}

// ---- how it ends ------------------------------------------------------------------------------------------------

void RunMachine::failed(Outcome const& outcome, Commands& out) {
    Attempt attempt;
    attempt.plan = config_.program.plan;
    attempt.way_back = way_back();
    attempt.way = weighed_                     ? Attempt::Way::weighed_undo
                  : undoing_                   ? Attempt::Way::undo
                  : gone_for_good() != nullptr ? Attempt::Way::forward_alone
                                               : Attempt::Way::forward;
    if (Step const* step = current(); step != nullptr) {
        if (doing_ != Doing::connecting) attempt.step = "step " + step->id + " (" + step->title + ")";
        if (step->rows && !undoing_) {
            attempt.work = step->rows->erases ? Attempt::Work::deletions : Attempt::Work::batches;
            attempt.table = step->rows->table.text();
        }
    }
    stop(refusal(outcome, attempt), out);
}

/// A statement without a time limit runs, or may.
bool RunMachine::unlimited() const {
    return (doing_ == Doing::standalone && standalone_->unlimited()) ||
           (doing_ == Doing::ladder && ladder_->scanning());
}

/// What may have ended the server's process. A try for a lock is none: it waits for others.
std::vector<PageRange> RunMachine::at_work() const {
    if (unlimited()) return {{current()->id, "", 0, 0}};
    bool const batches = doing_ == Doing::working || doing_ == Doing::watching || doing_ == Doing::weighing;
    return batches && backfill_ ? backfill_->at_work() : std::vector<PageRange>{};
}

void RunMachine::stop(Problem const& why, Commands& out) {
    if (exit_) return;
    exit_ = exit_code(why.code);
    if (why.code == Code::connection_lost && config_.connects_again && !stopping_) {
        lost_ = why.message;
        if (lost_at_work_.empty()) lost_at_work_ = at_work();
        say(out, ConnectionLost{why.message});
        quit(*exit_, RunState::stopped, out);
        return;
    }
    say(out, Stopped{why});
    // Nobody judges its pace and its schedule any more.
    if (backfill_) backfill_->stop(false, out);
    bool const may_write = why.code != Code::connection_lost && why.code != Code::other_leader &&
                           why.code != Code::ledger_damaged && doing_ != Doing::connecting;
    if (!may_write) {
        quit(*exit_, RunState::stopped, out);
        return;
    }
    EntryDetail detail;
    detail.message = why.message;
    detail.hint = why.hint;
    detail.order = refused_order_;
    write(EntryKind::stopped, "", detail, {}, out);
}

void RunMachine::quit(int exit, RunState state, Commands& out, std::string until, std::optional<Instant> until_at) {
    // Of a connection that was lost the run goes on with another.
    if (lost_.empty()) say(out, RunDone{state, at_.steady - run_began_, std::move(until), until_at});
    exit_ = exit;
    doing_ = Doing::over;
    out.emplace_back(Finish{exit, lost_, connected_, lost_at_work_});
}

}  // namespace weir
