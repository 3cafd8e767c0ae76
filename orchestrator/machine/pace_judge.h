#pragma once
/// What the batches of a run may do now, by the signals that were measured, the schedule and a pause; and the telling
/// of it. A child of the run machine; pure and copyable.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/machine/pace.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/schedule.h"
#include "plans/plan.h"

namespace weir {

/// Readings older than this stop the backfill: nobody is measuring.
inline constexpr Millis reading_age_max{2000};
/// What was learnt of the servers while a fill worked holds so long.
inline constexpr Millis learnt_for{10'000};

class PaceJudge {
  public:
    enum class Work : std::uint8_t {
        none,    ///< who has nothing to begin is held by nothing
        writes,  ///< a fill
        reads,   ///< a proof
        undoes,  ///< what an undo reads: it waits for no window and is not paused
    };
    struct Verdict {
        double pace{1};  ///< 0: held
        bool may_write{true};
        bool closes{};  ///< the schedule holds it, and did not before
    };

    /// Tells the lag of each replica that was measured anew.
    void measured(Measured const& measured, Settings const& settings, Stamp at, Commands& out);
    /// A fill or a proof begins. A proof goes on at the pace that its fill has found.
    void begin(Stamp at);
    /// Tells the pace when it has changed, and the signals once a second. `paused_by`: empty when it is not.
    Verdict judge(Work work, Settings const& settings, std::string const& paused_by, Stamp at, Commands& out);
    /// Why no fill and no proof may go on now; empty when they may.
    std::string closed(Schedule const& schedule, Stamp at);

  private:
    void tell_signals(Pace const& pace, bool works, Stamp at, Commands& out);
    void tell_pace(Pace const& pace, double now, Stamp at, Commands& out);

    PaceController controller_;
    std::vector<Reading> readings_;
    std::map<std::string, std::optional<Millis>> told_lags_;  ///< by replica: when it was measured
    std::optional<Millis> measured_;
    std::optional<Millis> worked_;  ///< when a fill or proof worked last
    double told_pace_{1};           ///< as announced; 0: held
    std::string told_worst_;        ///< its signal; empty while it only rises
    std::optional<Millis> told_signals_;
    std::optional<Opening> opening_;  ///< of the schedule, as long as it holds
    bool shut_{};                     ///< the schedule holds the work
};

}  // namespace weir
