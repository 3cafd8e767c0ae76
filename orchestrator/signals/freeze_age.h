#pragma once
/// How near the server is to transaction ID wraparound.
#include <vector>

#include "orchestrator/signals/signal.h"

namespace weir {

/// Signal `freeze_age`, in transactions: the age of the oldest row that is not frozen, in the worst database of the
/// server, or of its oldest multixact when that is larger (both wrap around at 2^31). The remark names the database,
/// and says when it is multixacts.
///
/// No table is asked for: a database is as old as its oldest table. It falls only when VACUUM has frozen that one; and
/// a server that works runs up to autovacuum_freeze_max_age (200 million) as a matter of course.
///
/// Needs no privilege, and costs one look at pg_database.
class FreezeAge : public Signal {
  public:
    Batch measure() const override;
    std::vector<Reading> read(Outcome const& outcome, Millis now) override;
};

}  // namespace weir
