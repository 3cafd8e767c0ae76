#pragma once
/// What writing rows brings with it, whichever operation writes them: the application's triggers, and indexes that let
/// no new row version stay on its page.
#include <string>
#include <vector>

#include "plans/catalog/catalog.h"
#include "plans/step.h"

namespace weir {

/// For each trigger of the application that such batches would fire: that it does, or is kept quiet. For people.
/// Batches write partitions, so that statement triggers of a partitioned parent never fire.
std::vector<std::string> trigger_notes(Rows const&, Table const&, bool quiet);

/// What `fire_triggers: no` compiles to. Syncs are ENABLE ALWAYS and work all the same.
Batch quiet_settings();

/// Why triggers cannot be kept quiet for these rows: foreign keys and deferrable uniqueness are triggers, too.
Problems quiet_refused(Rows const&, Table const&, Place const&);

/// Rows::never_in_page: an index that holds one of the columns that are set; a BRIN index counts before PostgreSQL 16.
std::string why_never_in_page(Rows const&, Table const&, int server_version);

}  // namespace weir
