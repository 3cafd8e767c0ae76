#pragma once
/// The gate of a run: who approves it, whether its own condition (a time, a query) does, and what people should know
/// while it is open. A child of the run machine; pure and copyable. Its questions go to the control session, beside
/// whatever runs.
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "orchestrator/machine/entries.h"
#include "orchestrator/machine/protocol.h"
#include "phases/program.h"

namespace weir {

inline constexpr Limits gate_limits{Millis{1000}, Millis{5000}, Millis{10000}};

class GateMachine {
  public:
    struct Config {
        RunId run{};
        Epoch epoch{};
        std::string plan;
        std::vector<std::string> notes;  ///< this and what follows: as Program has it
        std::vector<Sql> looks;
        std::optional<Millis> after{};
        std::optional<UserExpr> until{};
        Batch session;
        int approvals{1};
        std::set<std::string> have;        ///< database users who approved it already
        std::optional<std::string> voter;  ///< who approves it by an option, when it opens
    };
    static Config config(Program const& program, RunRecord const& record, Epoch epoch);

    enum class State : std::uint8_t {
        shut,      ///< the run has not come to it; a vote counts all the same
        open,      ///< it waits at it
        approved,  ///< by approved_by()
    };
    enum class Answer : std::uint8_t {
        nothing,
        waits,        ///< it was asked, and nothing approves it now
        approved,     ///< its condition holds
        failed,       ///< the outcome that was given
        ledger_gone,  ///< the same
    };

    explicit GateMachine(Config config);

    /// Tells that it is open, looks around, and counts the vote of an option.
    void open(Stamp at, Entries& entries, Ids& ids, Commands& out);
    /// One database user approves; when enough of them have, so is the gate.
    void vote(std::string const& user, Stamp at, Entries& entries, Commands& out);
    /// Its time or its query may approve it.
    bool asks() const { return config_.after || config_.until; }
    /// Whether its condition holds, and, with or without one, whether another leads. Nothing is asked while an answer
    /// is awaited.
    void ask(Ids& ids, Commands& out);
    /// What people did to the columns meanwhile: told once, and with `anew` again when there is more of it.
    void look(bool anew, Ids& ids, Commands& out);
    bool looking() const { return looking_.has_value(); }

    bool owns(CommandId id) const { return asking_ == id || looking_ == id; }
    /// `leaving`: it is not to be approved any more. REQUIRES owns(completed.command).
    Answer completed(Stamp at, Completed const& completed, bool leaving, Commands& out);

    State state() const { return state_; }
    bool approved() const { return state_ == State::approved; }
    /// For people; empty while it is not approved.
    std::string const& approved_by() const { return by_; }

  private:
    enum class Asked : std::uint8_t { fence, condition };
    Answer answered(Stamp at, Outcome const& outcome, bool leaving, Commands& out);
    Answer looked(Stamp at, Outcome const& outcome, Commands& out);
    void approve(std::string by);
    std::string voters() const;

    Config config_;
    State state_{State::shut};
    std::string by_;
    std::optional<CommandId> asking_, looking_;
    Asked asked_{Asked::fence};                ///< with the last question
    std::string trouble_;                      ///< why its condition could not be asked
    bool anew_{};                              ///< of the look that is on its way
    std::map<std::string, std::string> told_;  ///< by what it is about
};

}  // namespace weir
