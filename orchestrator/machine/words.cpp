#include "orchestrator/machine/protocol.h"

namespace weir {

std::string_view name(Fate fate) {
    switch (fate) {
        case Fate::done:
            return "done";
        case Fate::lock_busy:
            return "lock busy";
        case Fate::deadlock:
            return "deadlock";
        case Fate::canceled:
            return "canceled";
        case Fate::fenced:
            return "fenced";
        case Fate::refused:
            return "refused";
        case Fate::lost:
            return "lost";
        case Fate::in_doubt:
            return "in doubt";
    }
    return "";
}

}  // namespace weir
