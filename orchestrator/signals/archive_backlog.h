#pragma once
/// How much WAL waits for the archiver.
#include <vector>

#include "orchestrator/signals/signal.h"

namespace weir {

/// Signal `archive_backlog`, in bytes: the WAL segments that are complete and not archived yet, at their full size; 0
/// when archive_mode is off. When the archiver's last try failed the remark says so, with the segment, and the value
/// stays what it is: it grows by itself.
///
/// Needs pg_monitor (pg_ls_archive_statusdir), unless archive_mode is off. Lists a folder of the server: a backlog of
/// 100 000 segments takes it 0.3 s. With archiving on it needs a server built with libxml, as
/// packages are.
class ArchiveBacklog : public Signal {
  public:
    Batch measure() const override;
    std::vector<Reading> read(Outcome const& outcome, Millis now) override;
};

}  // namespace weir
