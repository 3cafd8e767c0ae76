#include "orchestrator/machine/backup.h"
#include "orchestrator/machine/run.h"

namespace weir {

void RunMachine::begin_backup(Commands& out) { ask_control(Doing::listing, list_dumped(current()->saves), out); }

void RunMachine::backup_listed(Outcome const& outcome, Commands& out) {
    if (outcome.fate != Fate::done) {
        failed(outcome, out);
        return;
    }
    if (stopping_ || abort_wanted_) {
        advance(out);
        return;
    }
    Step const& step = *current();
    // A table that was dropped already is in the dump that was made before.
    std::vector<TableName> due;
    for (auto const& other : config_.program.steps)
        if (other.phase == step.phase && !is_done(other))
            due.insert(due.end(), other.destroys.begin(), other.destroys.end());
    auto tables = dumped_tables(due, outcome.rows);
    if (!tables) {
        backup_failed("not every table is there", {}, out);
        return;
    }
    doing_ = Doing::dumping;
    say(out, DumpGrew{step.id, 0});
    pending_ = ids_();
    out.emplace_back(Dump{*pending_, step.id, dump_name(config_.program.plan, config_.program.run, step.id, at_.wall),
                          *std::move(tables), config_.settings.lock_give_up});
}

void RunMachine::dumped(Outcome const& outcome, Commands& out) {
    if (outcome.fate != Fate::done && (stopping_ || abort_wanted_)) {
        advance(out);
        return;
    }
    if (outcome.fate != Fate::done || outcome.rows.empty() || outcome.rows[0].fields.size() < 3) {
        backup_failed(outcome.message, words_of(outcome), out);
        return;
    }
    auto const& fields = outcome.rows[0].fields;
    EntryDetail detail;
    detail.file = fields[0].value_or("");
    detail.bytes = std::stoll("0" + fields[1].value_or(""));
    detail.sha256 = fields[2].value_or("");
    write(EntryKind::backed_up, current()->id, detail, {}, out);
}

void RunMachine::backup_failed(std::string const& why, Sealed more, Commands& out) {
    Step const& step = *current();
    stop({Code::backup_failed,
          {},
          "step " + step.id + " (" + step.title + "): " + why,
          "mend that and run again: it makes the dump anew, and nothing that it is for is dropped or deleted before",
          std::move(more)},
         out);
}

/// True: before the run goes on, it is asked whether the dump that an earlier orchestrator made is still there.
bool RunMachine::look_for_backup(Commands& out) {
    auto const& steps = config_.program.steps;
    Phase const phase = steps[step_].phase;
    Step const* backup = nullptr;
    bool destroys = false;
    for (auto const& step : steps) {
        if (step.phase != phase) continue;
        if (step.kind == StepKind::backup) backup = &step;
        destroys = destroys || (!step.destroys.empty() && !is_done(step));
    }
    if (backup == nullptr || !destroys || !is_done(*backup) || backups_seen_.contains(backup->id)) return false;
    looking_ = backup->id;
    doing_ = Doing::looking;
    pending_ = ids_();
    out.emplace_back(Look{*pending_, record_.backups[looking_].file});
    return true;
}

void RunMachine::looked_for_backup(Outcome const& outcome, Commands& out) {
    auto const& made = record_.backups[looking_];
    bool const there = outcome.fate == Fate::done && !outcome.rows.empty();
    if (there && outcome.rows[0].fields.at(0) == std::to_string(made.bytes)) {
        backups_seen_.insert(looking_);
    } else {
        say(out, Warned{"the dump " + made.file + " of step " + looking_ +
                            (there ? " is not as large as it was" : " is not here any more") + ": it is made anew",
                        "what the run has dropped or deleted since is not in the new one; keep the old one where it "
                        "is, if there is one"});
        record_.done.erase(looking_);
    }
    advance(out);
}

}  // namespace weir
