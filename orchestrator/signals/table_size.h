#pragma once
/// How large the tables of a plan are, and how many dead rows they have: what a fill costs in room. No signal: it holds
/// nothing. Pure.
#include <map>
#include <string>
#include <vector>

#include "orchestrator/machine/protocol.h"
#include "plans/event.h"
#include "plans/sql.h"

namespace weir {

class TableSizes {
  public:
    explicit TableSizes(std::vector<TableName> tables) : tables_{std::move(tables)} {}

    /// Takes ACCESS SHARE on each partition for as long as it looks, so a short lock_timeout becomes it.
    Batch measure() const;
    /// The tables whose figures are new. `bytes_before` is what the first look saw. An answer that is no good, and a
    /// table that is not there, say nothing.
    std::vector<TableSized> read(Outcome const& outcome);

  private:
    std::vector<TableName> tables_;
    std::map<std::string, TableSized> seen_;
};

}  // namespace weir
