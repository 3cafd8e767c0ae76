#pragma once
/// What the machine of a backfill and its workers share: what is asked, what is known of the table, and how fast it may
/// go.
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/machine/backfill_sql.h"
#include "orchestrator/machine/full_table_check.h"
#include "orchestrator/machine/horizon.h"
#include "orchestrator/machine/leaves.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/machine/worker_pool.h"
#include "plans/step.h"

namespace weir {

inline constexpr std::int64_t pages_at_first = 16;
inline constexpr std::int64_t pages_at_most = 4096;

struct BackfillConfig {
    RunId run{};
    Epoch epoch{};
    std::string step;
    Rows rows;
    bool proof{};
    bool gate_opened{};      ///< the new application writes: only what is still NULL may be filled
    int workers{2};          ///< hands that may be used
    bool all{true};          ///< all of them from the start; else as many as pay (worker_pool.h)
    Millis target{50};       ///< a batch's time
    Millis bound{100};       ///< a batch is rolled back beyond it
    Millis give_up{900000};  ///< how long the proof waits for a locked row that is not right
    bool afresh{};           ///< a proof that is repeated: what was counted before is forgotten
    int changes{};           ///< of the root's shape, seen by earlier passes of this proof
    bool plain{};            ///< page ranges only (`batch.order: plain`)
    bool counts{};           ///< a proof that only counts: what it finds stays as it is, and is no miss
    std::int64_t pages_at_first{weir::pages_at_first};  ///< of a range
    std::int64_t range_at_most{pages_at_most};          ///< a range grows no longer than so many pages
    SweepTuning sweep{};
};

struct BackfillFigures {
    std::int64_t rows_done{};    ///< written; of a proof: looked at
    std::int64_t rows_filled{};  ///< by a proof, because they were wrong
    std::int64_t rows_wrong{};
    std::vector<std::int64_t> wrong_each;  ///< of each fragment, where there are several
    std::vector<Sealed> keys;              ///< of some that are wrong, where there are several with what is wrong
};

struct BackfillContext {
    explicit BackfillContext(BackfillConfig given)
        : config{std::move(given)},
          want{wanted(config.rows, config.gate_opened)},
          pool{config.all ? config.workers : 1, config.workers},
          check{config.afresh, config.changes} {}

    BackfillConfig config;
    Wanted want;  ///< of the rows, as the gate stands
    WorkerPool pool;
    FullTableCheck check;
    Leaves leaves;
    Horizon horizon;
    BackfillFigures figures;
    double pace{1};
    bool may_write{true};

    ProgressKey progress() const { return {config.run, check.progress_of(config.step)}; }
    /// Nothing is begun, or nothing that `writes` of a proof; a fill always writes.
    bool held(bool writes) const { return pace <= 0 || (!may_write && (!config.proof || writes)); }
    /// What is written below full pace says nothing of what another worker would bring.
    void wrote(std::int64_t rows, Millis now) {
        if (pace >= 1) pool.wrote(now, rows);
    }
};

/// The reply to one input: the time of that, and the commands that follow from it.
struct Reply {
    Stamp at;
    Ids& ids;
    Commands& out;

    template <class What>
    void announce(What what) {
        out.emplace_back(Announce{{at.wall, std::move(what)}});
    }
};

}  // namespace weir
