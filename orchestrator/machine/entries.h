#pragma once
/// The entries that a run writes into the ledger, one at a time: an entry's number is known only when the one before
/// it stands. A child of the run machine; pure and copyable.
///
/// An entry commits synchronously. Where no synchronous standby confirms it, it stands on this server, and the child
/// asks for the confirmation again and again: nothing goes on before it is there, and no lock is held meanwhile.
///
/// Notes (what orders did) are written beside what runs, whenever the run lets them. An entry that comes while a note
/// is on its way waits for it.
#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"

namespace weir {

inline constexpr Limits entry_limits{Millis{5000}, Millis{10000}, Millis{15000}};

class Entries {
  public:
    struct Entry {
        EntryKind kind{};
        std::string step;
        EntryDetail detail;
        Batch guard;  ///< in the same transaction
    };
    enum class State : std::uint8_t {
        idle,
        noting,      ///< a note is on its way
        held,        ///< the same, and an entry waits for it
        writing,     ///< an entry is on its way
        confirming,  ///< it stands on this server, and a standby is waited for
    };
    enum class Came : std::uint8_t {
        nothing,  ///< more is to come
        note,     ///< one stands
        entry,    ///< it stands, confirmed or not waited for
        failure,  ///< what was on its way did not come to stand; notes that waited are dropped
    };

    Entries(RunId run, Epoch epoch, std::int64_t first) : run_{run}, epoch_{epoch}, next_{first} {}

    State state() const { return state_; }
    bool owns(CommandId id) const { return pending_ == id; }
    /// Of what is on its way, so that it can be cancelled.
    std::optional<CommandId> pending() const { return pending_; }
    /// The number of the next entry, for who writes it in a transaction of his own; passed() when that stands. REQUIRES
    /// State::idle, also meanwhile.
    std::int64_t next() const { return next_; }
    void passed();

    /// REQUIRES State::idle or State::noting.
    void write(Entry entry, Ids& ids, Commands& out);
    /// The newest that was given to write().
    Entry const& entry() const { return entry_; }

    /// Written at the next write_note().
    void note(EntryKind kind, EntryDetail detail) { notes_.emplace_back(Note{kind, std::move(detail)}); }
    /// Some wait, or one is on its way.
    bool notes() const { return !notes_.empty(); }
    /// The oldest, if there is any and none is on its way. REQUIRES that no entry is.
    void write_note(Ids& ids, Commands& out);

    /// `hurried`: a standby is not waited for. REQUIRES owns(completed.command).
    Came completed(Stamp at, Completed const& completed, bool hurried, Ids& ids, Commands& out);

  private:
    struct Note {
        EntryKind kind{};
        EntryDetail detail;
    };
    void send(Ids& ids, Commands& out);
    void confirm(Ids& ids, Commands& out);
    void execute(Batch batch, Ids& ids, Commands& out);
    Came noted(Outcome const& outcome, Ids& ids, Commands& out);
    Came wrote(Stamp at, Outcome const& outcome, bool hurried, Ids& ids, Commands& out);

    RunId run_;
    Epoch epoch_;
    std::int64_t next_;
    State state_{State::idle};
    std::optional<CommandId> pending_;
    Entry entry_;
    std::deque<Note> notes_;
};

}  // namespace weir
