#pragma once
/// What run, plan and abort share: from a plan (or its name) to a program that may be run.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/postgres/ask.h"
#include "phases/program.h"
#include "plans/plan.h"

namespace weir {

struct Prepared {
    bool ledger{};                    ///< exists
    std::optional<RunRecord> record;  ///< the newest run of this name; its program is `program` unless it is over
    Program program{};                ///< of the live run, compiled again from the ledger; else of a new one
    std::optional<Plan> began{};      ///< of a live run: the plan as it was when the run began
    std::string catalog{};            ///< the snapshot of a new run, as the ledger will keep it
};

/// Of a run that is over: `done`, `undone`, `rolled back`.
std::string_view how_it_ended(RunRecord const& record);

/// Looks only. A live run is compiled again from what the ledger holds, and must give the same program; a plan whose
/// changes, phase lists or gates are not those it began with is refused, with both fingerprints. A plan that is done is
/// not compiled. A new one is validated against the server.
std::variant<Prepared, Problems> prepare(Asker& asker, Plan const& plan);

/// The same for a live run of which only the name is known. One that is over is refused (Code::not_now), or given with
/// its record alone.
enum class Over : std::uint8_t { refused, given };
std::variant<Prepared, Problems> prepare_live(Asker& asker, std::string const& name, Over over = Over::refused);

}  // namespace weir
