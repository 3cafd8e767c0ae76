#pragma once
/// Steps as most operations need them, so that an operation says no more than what is its own.
#include <string>
#include <vector>

#include "plans/step.h"

namespace weir {

/// One transaction under these locks, which are the strongest that it holds.
Deed under(std::vector<TableLock> locks, Batch statements);

/// A deed that does nothing, and why.
Deed nothing(std::string why);

/// One statement that refuses a transaction, under the strongest locks that it takes itself. `probe`: one SELECT that
/// gives a Probe's word for it; empty: it may be repeated.
Deed alone(std::vector<TableLock> holds, Sql statement, Batch probe);

/// A step of statements, there and back.
Step there_and_back(std::string title, Deed forward, Deed undo);

/// DDL and its undo, each one transaction under the same locks.
Step ddl(std::string title, std::vector<TableLock> const& locks, Batch forward, Batch undo);

}  // namespace weir
