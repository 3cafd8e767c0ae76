#include "orchestrator/machine/entries.h"

#include <cassert>
#include <utility>

namespace weir {

void Entries::passed() {
    assert(state_ == State::idle);
    ++next_;
}

void Entries::write(Entry entry, Ids& ids, Commands& out) {
    assert(state_ == State::idle || state_ == State::noting);
    entry_ = std::move(entry);
    if (state_ == State::noting)
        state_ = State::held;
    else
        send(ids, out);
}

void Entries::execute(Batch batch, Ids& ids, Commands& out) {
    pending_ = ids();
    out.emplace_back(Execute{*pending_, control, std::move(batch), Transaction::implicit, entry_limits});
}

void Entries::send(Ids& ids, Commands& out) {
    state_ = State::writing;
    // Why it stopped is for people: the end does not wait for a standby that is missing.
    Batch batch{entry_.kind == EntryKind::stopped ? sql("SET LOCAL synchronous_commit = local")
                                                  : sql("SET LOCAL synchronous_commit = on"),
                fence(epoch_), insert_entry(run_, next_, epoch_, entry_.kind, entry_.step, entry_.detail)};
    batch.insert(batch.end(), entry_.guard.begin(), entry_.guard.end());
    execute(std::move(batch), ids, out);
}

void Entries::write_note(Ids& ids, Commands& out) {
    if (notes_.empty() || state_ == State::noting) return;
    assert(state_ == State::idle);
    state_ = State::noting;
    auto const& [kind, detail] = notes_.front();
    execute(
        {sql("SET LOCAL synchronous_commit = on"), fence(epoch_), insert_entry(run_, next_, epoch_, kind, "", detail)},
        ids, out);
}

/// A commit that comes after the entry's; once it is confirmed, so is the entry.
void Entries::confirm(Ids& ids, Commands& out) {
    state_ = State::confirming;
    execute(
        {sql("SET LOCAL synchronous_commit = on"), sql("SELECT pg_catalog.pg_logical_emit_message(true, 'weir', '')")},
        ids, out);
}

Entries::Came Entries::completed(Stamp at, Completed const& completed, bool hurried, Ids& ids, Commands& out) {
    assert(owns(completed.command) && state_ != State::idle);
    pending_.reset();
    bool const note = state_ == State::noting || state_ == State::held;
    return note ? noted(completed.outcome, ids, out) : wrote(at, completed.outcome, hurried, ids, out);
}

Entries::Came Entries::noted(Outcome const& outcome, Ids& ids, Commands& out) {
    bool const held = std::exchange(state_, State::idle) == State::held;
    if (outcome.fate != Fate::done) {
        notes_.clear();
        return Came::failure;
    }
    ++next_;
    notes_.pop_front();
    if (held) send(ids, out);
    return Came::note;
}

Entries::Came Entries::wrote(Stamp at, Outcome const& outcome, bool hurried, Ids& ids, Commands& out) {
    bool const confirming = std::exchange(state_, State::idle) == State::confirming;
    bool const again = outcome.fate == Fate::canceled || outcome.fate == Fate::lock_busy ||
                       outcome.fate == Fate::deadlock || outcome.unreplicated;
    // The entry is there already; only what came to confirm it did not get through.
    bool const stands = confirming && (again || outcome.fate == Fate::refused);
    if (outcome.fate != Fate::done && !stands) return Came::failure;
    auto const warn = [&](std::string message, std::string hint, Sealed more) {
        out.emplace_back(Announce{{at.wall, Warned{std::move(message), std::move(hint), std::move(more)}}});
    };
    auto const named = "entry " + std::string{name(entry_.kind)};
    if (!confirming) ++next_;
    if (outcome.fate == Fate::refused)
        warn(named + " is committed, and whether a synchronous standby has it cannot be asked: " + outcome.message,
             "see to the server; the run goes on", words_of(outcome));
    // An interrupt does not wait for a standby: what is committed here is what the next run reads.
    if (!again || hurried || entry_.kind == EntryKind::stopped) return Came::entry;
    if (!confirming)
        warn("no synchronous standby confirms the commit of " + named + ": it stands on this server alone",
             "bring back a standby of synchronous_standby_names, or change that setting; the run waits for it and "
             "holds no lock meanwhile",
             {});
    confirm(ids, out);
    return Came::nothing;
}

}  // namespace weir
