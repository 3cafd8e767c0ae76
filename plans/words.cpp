#include "plans/event.h"
#include "plans/step.h"

namespace weir {

std::string_view name(Way way) {
    switch (way) {
        case Way::in_page:
            return "in_page";
        case Way::ranges:
            return "ranges";
    }
    return "";
}

std::string_view name(Phase phase) {
    switch (phase) {
        case Phase::expand:
            return "expand";
        case Phase::backfill:
            return "backfill";
        case Phase::proof:
            return "proof";
        case Phase::contract:
            return "contract";
        case Phase::quarantine:
            return "quarantine";
    }
    return "";
}

std::string_view name(RunState state) {
    switch (state) {
        case RunState::pending:
            return "pending";
        case RunState::running:
            return "running";
        case RunState::paused:
            return "paused";
        case RunState::waiting:
            return "waiting";
        case RunState::stopped:
            return "stopped";
        case RunState::quarantined:
            return "quarantined";
        case RunState::done:
            return "done";
        case RunState::undone:
            return "undone";
    }
    return "";
}

bool is_transactional(Step const& step) { return step.kind == StepKind::statements && !step.forward.standalone; }

bool is_standalone(Step const& step) { return step.kind == StepKind::statements && step.forward.standalone; }

std::string_view kind_name(Step const& step) {
    switch (step.kind) {
        case StepKind::statements:
            return step.forward.standalone ? "standalone" : "transactional";
        case StepKind::fill:
            return "fill";
        case StepKind::backup:
            return "backup";
        case StepKind::proof:
            return "proof";
    }
    return "";
}

std::optional<Probe> probe(std::string_view word) {
    if (word == "absent") return Probe::absent;
    if (word == "done") return Probe::done;
    if (word == "damaged") return Probe::damaged;
    return std::nullopt;
}

}  // namespace weir
