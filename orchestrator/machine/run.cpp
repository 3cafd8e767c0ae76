#include "orchestrator/machine/run.h"

#include <algorithm>
#include <utility>

#include "orchestrator/machine/refusal.h"
#include "orchestrator/machine/step_try.h"
#include "plans/keys.h"
#include "plans/reader.h"

namespace weir {
namespace {

bool is_gone(Fate fate) { return fate == Fate::lost || fate == Fate::in_doubt; }

/// What was set holds until the run ends; a key that this version does not know is nothing to it.
RunMachine::Config as_set(RunMachine::Config config) {
    for (auto const& [key, value] : config.record.settings) {
        auto changed = with_setting(config.settings, key, value);
        if (auto* settings = std::get_if<Settings>(&changed)) config.settings = std::move(*settings);
    }
    return config;
}

GateMachine::Config gate_config(RunMachine::Config const& run) {
    auto config = GateMachine::config(run.program, run.record, run.epoch);
    if (run.approve.contains("contract") || run.approve.contains("all")) config.voter = run.user;
    return config;
}

}  // namespace

RunMachine::RunMachine(Config config)
    : config_{as_set(std::move(config))},
      record_{config_.record},
      hands_{config_.epoch, config_.settings.workers.value_or(keys::workers_auto)},
      batches_{{.run = config_.program.run,
                .epoch = config_.epoch,
                .hands = hands_.count(),
                .sweep = config_.sweep,
                .pages_at_first = config_.pages_at_first,
                .plain = config_.plain}},
      entries_{config_.program.run, config_.epoch, record_.last_seq + 1},
      backup_{config_.program.plan, config_.program.run},
      ending_{config_.connects_again},
      gate_{gate_config(config_), config_.no_wait, config_.proofs_took},
      intent_{config_.rollback                     ? Intent::roll_back
              : config_.abort && !record_.aborting ? Intent::abort
                                                   : Intent::go_on},
      orders_{record_,
              intent_ == Intent::roll_back ? Orders::Asked::rollback
              : intent_ == Intent::abort   ? Orders::Asked::abort
                                           : Orders::Asked::nothing,
              config_.user},
      undo_{(config_.rollback || config_.abort) &&
            (config_.told_again || config_.approve.contains("all") || config_.approve.contains("contract"))} {}

void RunMachine::say(Commands& out, decltype(Event::what) what) const {
    out.emplace_back(Announce{{at_.wall, std::move(what)}});
}

Step const* RunMachine::current() const {
    auto const at = doing_ == Doing::batches ? batches_.step() : step_;
    return at < config_.program.steps.size() ? &config_.program.steps[at] : nullptr;
}

Commands RunMachine::resume(Input const& input) {
    Commands out;
    if (doing_ == Doing::over) return out;
    at_ = input.at;
    if (std::holds_alternative<Started>(input.what)) {
        ending_.start(at_.steady);
        say(out,
            RunBegan{config_.program.plan, static_cast<std::int64_t>(config_.program.run),
                     !record_.begun.empty() || !record_.done.empty(), static_cast<int>(config_.program.steps.size())});
        started_ = true;
        for (auto const& order : early_) on_order(order, out);
        early_.clear();
        hands_.start(ids_, out);
        if (hands_.ready()) advance(out);
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
        stop({control_lost(lost->message)}, out);
    }
    if (doing_ != Doing::over) write_notes(out);
    return out;
}

// ---- sessions ---------------------------------------------------------------------------------------------------

void RunMachine::hands_came(Completed const& completed, Commands& out) {
    if (intent_ == Intent::stop) {
        advance(out);
        return;
    }
    hands_.completed(completed, ids_, out);
    if (hands_.ready())
        advance(out);
    else if (hands_.state() == Hands::State::failed)
        failed(completed.outcome, out);
}

// ---- the way forward --------------------------------------------------------------------------------------------

void RunMachine::advance(Commands& out) {
    doing_ = Doing::idle;
    if (intent_ == Intent::stop) {
        stop({interrupted()}, out);
    } else if (intent_ == Intent::roll_back) {
        follow(course().roll_back(ids_, out), out);
    } else if (intent_ == Intent::abort && !undoing()) {
        follow(course().abort(ids_, out), out);
    } else if (entries_.notes()) {
        doing_ = Doing::noting;
    } else if (undoing()) {
        follow(course().next(ids_, out), out);
    } else if (!orders_.paused_by().empty()) {
        doing_ = Doing::paused;
        orders_.tell_pause(at_, out);
        if (config_.no_wait) quit({3, RunState::waiting}, out);
    } else {
        go_on(out);
    }
}

void RunMachine::go_on(Commands& out) {
    auto const& steps = config_.program.steps;
    step_ = static_cast<std::size_t>(
        std::find_if(steps.begin(), steps.end(), [&](Step const& s) { return !is_done(s); }) - steps.begin());
    if (auto const proof = batches_.due()) step_ = *proof;
    Step const* step = current();
    if (step == nullptr) {
        write({EntryKind::finished, "", {}, {}}, out);
        return;
    }
    if (config_.until && step->phase > *config_.until) {
        say(out, Warned{"stopped after phase " + std::string{name(*config_.until)} + ", as asked",
                        "run again without --until to go on"});
        quit({0, RunState::stopped}, out);
        return;
    }
    if (step->phase == Phase::quarantine && !quarantine_.over()) {
        doing_ = Doing::asking_end;
        follow(quarantine_.come(config_.program, record_, ids_, out), out);
        return;
    }
    if (step->phase == Phase::contract && config_.program.gate && !record_.gate_approved) {
        come_to_gate(out);
        return;
    }
    if (config_.no_wait && (step->kind == StepKind::fill || step->kind == StepKind::proof)) {
        if (auto const reason = schedule_reason(); !reason.empty()) {
            say(out, Warned{"step " + step->id + " (" + step->title + ") waits: " + reason,
                            "run again when it opens, or without --no-wait"});
            quit({3, RunState::waiting}, out);
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
    if (is_transactional(step)) {
        start_ladder(step, false, out);
    } else if (!record_.begun.contains(step.id)) {
        write({EntryKind::step_begun, step.id, {}, {}}, out);
    } else {
        begin_work(step, out);
    }
}

void RunMachine::begin_work(Step const& step, Commands& out) {
    if (is_standalone(step))
        start_standalone(step, out);
    else if (step.kind == StepKind::backup)
        start_backup(step, out);
    else
        start_batches(batches_.forward(step), step_, *step.rows, out);
}

void RunMachine::take_back(std::size_t step, Commands& out) {
    step_ = step;
    step_began_ = at_.steady;
    if (current()->undo.standalone)
        start_standalone(*current(), out);
    else
        start_ladder(*current(), true, out);
}

void RunMachine::come_to_gate(Commands& out) {
    doing_ = Doing::gate;
    follow(gate_.come(record_, at_, entries_, ids_, out), out);
}

GateKeeper::Place RunMachine::place() const {
    return doing_ == Doing::gate ? GateKeeper::Place::waiting
           : proving_at_gate()   ? GateKeeper::Place::proving
                                 : GateKeeper::Place::elsewhere;
}

UndoCourse RunMachine::course() {
    return {undo_,
            orders_,
            intent_,
            config_.program,
            record_,
            config_.epoch,
            config_.accept_loss,
            config_.rollback || config_.abort,
            at_};
}

void RunMachine::start_ladder(Step const& step, bool undo, Commands& out) {
    auto config =
        undo ? undo_try(config_.program, step, config_.epoch, entries_.next(), config_.settings, undo_.still_so(step))
             : forward_try(config_.program, step, config_.epoch, entries_.next(), config_.settings);
    config.may_set_deadlock_timeout = config_.may_set_deadlock_timeout;
    config.seed = static_cast<std::uint64_t>(at_.wall.time_since_epoch().count());
    ladder_.emplace(std::move(config));
    doing_ = Doing::ladder;
    ladder_->start(at_, ids_, out);
}

void RunMachine::ladder_moved(Commands& out) {
    auto const state = ladder_->state();
    if (state == LockLadder::State::failed && prove_again(ladder_->outcome(), out)) return;
    if (state == LockLadder::State::done) entries_.passed();
    follow(tried(*ladder_, *current(), config_.program.plan, config_.settings), out);
}

/// What has changed since the proof of a step is read anew, and the step tried again.
bool RunMachine::prove_again(Outcome const& outcome, Commands& out) {
    if (!Batches::outdated(outcome)) return false;
    Step const& step = *current();
    auto const purpose = !undoing()         ? Batches::Purpose::proof_again
                         : step.undo.proves ? Batches::Purpose::comes_back
                                            : Batches::Purpose::losses;
    say(out, Batches::begun_because(outcome, purpose, step));
    if (purpose == Batches::Purpose::losses) {
        undo_.weigh_again(step_);
        follow(then::Weigh{}, out);
    } else if (purpose == Batches::Purpose::comes_back) {
        start_batches(purpose, step_, *step.undo.proves, out);
    } else {
        batches_.prove_again(static_cast<std::size_t>(&proof_of(config_.program, step) - config_.program.steps.data()));
        advance(out);
    }
    return true;
}

void RunMachine::start_standalone(Step const& step, Commands& out) {
    in_the_way_.forget();
    standalone_.emplace(undoing() ? step.undo : step.forward, config_.settings.lock_timeout);
    doing_ = Doing::standalone;
    standalone_->start(ids_, out);
}

void RunMachine::start_batches(Batches::Purpose purpose, std::size_t step, Rows const& rows, Commands& out) {
    Reply reply{at_, ids_, out};
    batches_.begin({purpose, step, config_.program.steps[step], rows}, record_, config_.settings, reply);
    doing_ = Doing::batches;
    if (!batches_.of_undo() && !proving_at_gate()) pace_.begin(at_);
    judge_pace(out);
    batches_moved(out);
}

void RunMachine::batches_moved(Commands& out) {
    if (doing_ != Doing::batches) return;
    if (batches_.purpose() == Batches::Purpose::losses) {
        follow(course().counted(batches_.backfill(), ids_, out), out);
    } else if (proving_at_gate() && batches_.backfill().state() == BackfillMachine::State::stopped) {
        follow(gate_.prove_next(config_.program, record_, leaving(), at_, ids_, out), out);
    } else {
        Reply reply{at_, ids_, out};
        follow(batches_.moved(*current(), record_.gate_opened, reply), out);
    }
}

void RunMachine::follow(Then const& what, Commands& out) {
    if (std::holds_alternative<then::GoOn>(what)) {
        advance(out);
    } else if (std::holds_alternative<then::Ask>(what)) {
        doing_ = Doing::asking_undo;
    } else if (std::holds_alternative<then::Weigh>(what)) {
        start_batches(Batches::Purpose::losses, undo_.step(), undo_.rows(config_.program), out);
    } else if (auto const* entry = std::get_if<then::Write>(&what)) {
        write(entry->entry, out);
    } else if (auto const* stopped = std::get_if<then::Stop>(&what)) {
        stop(*stopped, out);
    } else if (auto const* fail = std::get_if<then::Fail>(&what)) {
        failed(fail->outcome, out);
    } else if (auto const* refused = std::get_if<then::Refuse>(&what)) {
        follow(course().refused(refused->why, out), out);
    } else if (auto const* begins = std::get_if<then::Begin>(&what)) {
        step_ = begins->step;
        begin_step(*current(), out);
    } else if (auto const* back = std::get_if<then::TakeBack>(&what)) {
        take_back(back->step, out);
    } else if (auto const* proves = std::get_if<then::Prove>(&what)) {
        start_batches(Batches::Purpose::at_gate, proves->step, *config_.program.steps[proves->step].rows, out);
    } else if (std::holds_alternative<then::AtGate>(what)) {
        doing_ = Doing::gate;
    } else if (std::holds_alternative<then::Leave>(what)) {
        leave(false, out);
    } else if (auto const* quits = std::get_if<then::Quit>(&what)) {
        quit(*quits, out);
    }
}

void RunMachine::start_backup(Step const& step, Commands& out) {
    backup_.make(step, still_destroyed(config_.program, record_, step.phase), ids_, out);
    doing_ = Doing::backup;
}

void RunMachine::backup_came(Completed const& completed, Commands& out) {
    backup_.completed(at_, completed, leaving(), config_.settings.lock_give_up, ids_, out);
    if (backup_.state() == Backup::State::missing) record_.done.erase(backup_.step());
    follow(backup_.moved(completed.outcome), out);
}

void RunMachine::step_finished(Commands& out) {
    Step const& step = *current();
    auto const took = at_.steady - step_began_;
    if (undoing()) {
        record_.undone_steps.insert(step.id);
        say(out, StepUndone{step.id, step.title, took});
    } else {
        record_.done.insert(step.id);
        gate_.made(step, took);
        say(out, StepDone{step.id, step.title, step.phase, took});
    }
    advance(out);
}

// ---- entries ----------------------------------------------------------------------------------------------------

void RunMachine::write(Entries::Entry entry, Commands& out) {
    entries_.write(std::move(entry), ids_, out);
    doing_ = Doing::writing;
}

/// Where nothing else of ours writes an entry; elsewhere they wait for the next step.
void RunMachine::write_notes(Commands& out) {
    if ((doing_ == Doing::batches && !batches_.of_undo()) || doing_ == Doing::gate || doing_ == Doing::noting ||
        doing_ == Doing::paused || (doing_ == Doing::backup && backup_.state() == Backup::State::dumping))
        entries_.write_note(ids_, out);
}

void RunMachine::entry_came(Completed const& completed, Commands& out) {
    switch (entries_.completed(at_, completed, intent_ == Intent::stop, ids_, out)) {
        case Entries::Came::nothing:
            return;
        case Entries::Came::note:
            if (doing_ == Doing::noting) advance(out);
            return;
        case Entries::Came::entry:
            wrote(entries_.entry(), out);
            return;
        case Entries::Came::failure:
            if (ending_.state() == Ending::State::stopping && entries_.entry().kind == EntryKind::stopped)
                follow(ending_.stopped(), out);
            else
                failed(completed.outcome, out);
            return;
    }
}

void RunMachine::wrote(Entries::Entry const& entry, Commands& out) {
    apply(record_, entry.kind, entry.step, entry.detail);
    switch (entry.kind) {
        case EntryKind::step_begun:
            if (leaving())
                advance(out);
            else
                begin_work(*current(), out);
            return;
        case EntryKind::step_done:
        case EntryKind::step_undone:
        case EntryKind::step_told:
            step_finished(out);
            return;
        case EntryKind::backed_up:
            backup_.seen();
            say(out, BackedUp{entry.step, entry.detail.file, *entry.detail.bytes, entry.detail.sha256});
            step_finished(out);
            return;
        case EntryKind::gate_opened:
            if (leaving())
                advance(out);
            else
                come_to_gate(out);
            return;
        case EntryKind::gate_approved:
            say(out, GateApproved{"contract", entry.detail.user});
            advance(out);
            return;
        case EntryKind::checked:
            if (batches_.due()) {
                batches_.proven();
                step_finished(out);
            } else {
                gate_.proven();
                follow(gate_.prove_next(config_.program, record_, leaving(), at_, ids_, out), out);
            }
            return;
        case EntryKind::aborting:
            course().begun();
            advance(out);
            return;
        case EntryKind::quarantined:
        case EntryKind::rolling_back:
        case EntryKind::reopened:
            advance(out);
            return;
        case EntryKind::finished:
            quit({0, RunState::done}, out);
            return;
        case EntryKind::undone:
        case EntryKind::rolled_back:
            quit({6, RunState::undone}, out);
            return;
        case EntryKind::stopped:
            follow(ending_.stopped(), out);
            return;
        case EntryKind::began:
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
        if (is_gone(completed.outcome.fate)) ending_.lost_at(at_work());
        ladder_->completed(at_, completed, ids_, out);
        ladder_moved(out);
        return;
    }
    if (batches_.owns(completed.command)) {
        judge_pace(out);
        Reply reply{at_, ids_, out};
        batches_.completed(completed, reply);
        batches_moved(out);
        return;
    }
    if (gate_.owns(completed.command)) {
        follow(gate_.completed(at_, completed, place(), leaving(), out), out);
        return;
    }
    if (doing_ == Doing::asking_undo && undo_.owns(completed.command)) {
        follow(course().answered(completed.outcome, ids_, out), out);
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
        if (is_gone(completed.outcome.fate)) ending_.lost_at(at_work());
        standalone_->completed(completed, leaving(), in_the_way_, ids_, out);
        follow(standalone_->moved(*current(), undoing(), at_, out), out);
        return;
    }
    if (doing_ == Doing::connecting && hands_.owns(completed.command)) {
        hands_came(completed, out);
        return;
    }
    if (doing_ == Doing::asking_end && quarantine_.owns(completed.command))
        follow(quarantine_.answered(completed.outcome), out);
}

void RunMachine::on_measured(Measured const& measured, Commands& out) {
    pace_.measured(measured, config_.settings, at_, out);
    judge_pace(out);
    batches_moved(out);
}

void RunMachine::on_tick(Commands& out) {
    // Nobody else would say why it stands still.
    if (unlimited() && hands_.first_pid() != 0) in_the_way_.behind(hands_.first_pid(), ids_, out);
    gate_.watch(place(), ids_, out);
    judge_pace(out);
    batches_moved(out);
    if (doing_ == Doing::gate && orders_.paused_by().empty() && gate_.due(at_.steady) && schedule_reason().empty())
        follow(gate_.prove(config_.program, record_, leaving(), at_, ids_, out), out);
}

/// Why no fill and no proof may go on now; empty when they may.
std::string RunMachine::schedule_reason() { return pace_.closed(config_.settings.schedule, at_); }

void RunMachine::judge_pace(Commands& out) {
    auto const work = doing_ == Doing::batches ? batches_.work() : PaceJudge::Work::none;
    auto const verdict = pace_.judge(work, config_.settings, orders_.paused_by(), at_, out);
    if (work == PaceJudge::Work::none) return;
    if (verdict.closes && config_.no_wait && !batches_.of_undo() && !proving_at_gate()) batches_.stop(false, out);
    Reply reply{at_, ids_, out};
    batches_.pace(verdict, reply);
}

void RunMachine::on_order(Ordered const& order, Commands& out) {
    switch (orders_.take(order, record_, undo_.old_returned(), config_.settings, at_, entries_, out)) {
        case Orders::Effect::nothing:
            return;
        case Orders::Effect::set:
            batches_.tune(config_.settings);
            if (standalone_) standalone_->tune(config_.settings.lock_timeout);
            [[fallthrough]];
        case Orders::Effect::resumed:
            judge_pace(out);
            if (!proving_at_gate()) batches_moved(out);
            if (doing_ == Doing::paused && orders_.paused_by().empty()) advance(out);
            return;
        case Orders::Effect::paused:
            judge_pace(out);
            return;
        case Orders::Effect::approve:
            follow(gate_.vote(order.user, place(), at_, entries_, out), out);
            return;
        case Orders::Effect::old_returns:
            undo_.old_returns();
            return;
        case Orders::Effect::abort:
            if (intent_ != Intent::stop) intent_ = Intent::abort;
            leave(false, out);
            return;
    }
}

void RunMachine::on_interrupt(Interrupted const& interrupted, Commands& out) {
    intent_ = Intent::stop;
    leave(interrupted.times > 1, out);
}

void RunMachine::leave(bool now, Commands& out) {
    if (doing_ == Doing::gate || doing_ == Doing::paused)
        advance(out);
    else
        stop_child(now, out);
}

void RunMachine::stop_child(bool now, Commands& out) {
    if (doing_ == Doing::ladder) {
        ladder_->stop(now, out);
    } else if (doing_ == Doing::batches) {
        // A proof that is repeated can be given up at once: the gate does not wait for it.
        batches_.stop(now || proving_at_gate(), out);
        batches_moved(out);
    } else if (doing_ == Doing::standalone) {
        standalone_->stop(out);
    } else if (doing_ == Doing::connecting && intent_ == Intent::stop) {
        // An abort needs the hands: only who stops does without them.
        hands_.stop(out);
    } else if (doing_ == Doing::backup && backup_.state() == Backup::State::dumping) {
        out.emplace_back(Cancel{*backup_.pending()});
    } else if (entries_.state() == Entries::State::confirming && intent_ == Intent::stop) {
        out.emplace_back(Cancel{*entries_.pending()});
    }
}

// ---- how it ends ------------------------------------------------------------------------------------------------

void RunMachine::failed(Outcome const& outcome, Commands& out) {
    stop({failure(outcome, {config_.program, record_, undo_, current(), doing_ != Doing::connecting,
                            doing_ == Doing::standalone})},
         out);
}

/// A statement without a time limit runs, or may.
bool RunMachine::unlimited() const {
    return (doing_ == Doing::standalone && standalone_->unlimited()) ||
           (doing_ == Doing::ladder && ladder_->scanning());
}

/// What may have ended the server's process. A try for a lock is none: it waits for others.
std::vector<PageRange> RunMachine::at_work() const {
    if (unlimited()) return {{current()->id, "", 0, 0}};
    return doing_ == Doing::batches ? batches_.backfill().at_work() : std::vector<PageRange>{};
}

void RunMachine::stop(then::Stop const& what, Commands& out) {
    if (ending_.state() != Ending::State::ahead) return;
    auto const then = ending_.stop(what, {doing_ != Doing::connecting, intent_ == Intent::stop, at_work()}, at_, out);
    // Nobody judges its pace and its schedule any more.
    if (!ending_.connects_again()) batches_.stop(false, out);
    follow(then, out);
}

void RunMachine::quit(then::Quit const& how, Commands& out) {
    ending_.finish(how, hands_.ready(), gate_.proofs_took(), at_, out);
    doing_ = Doing::over;
}

}  // namespace weir
