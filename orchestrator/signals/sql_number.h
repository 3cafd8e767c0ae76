#pragma once
/// A number that a query of the plan gives.
#include <string>
#include <vector>

#include "orchestrator/signals/signal.h"

namespace weir {

/// Signal `sql`, subject the name that the plan gives it, no unit: the query's one number, whatever its numeric type,
/// or a text that is one.
///
/// The query runs in a read-only transaction of its own, under the time limits of the measurement: what it may not do,
/// or not in time, it does not, and the reading has no value and the server's words. So it is for no row, more than one
/// row or column, NULL, NaN and infinity. It runs with weir's role, and that role's privileges are what it needs. Its
/// names resolve in pg_catalog and public; others need their schema.
class SqlNumber : public Signal {
  public:
    /// `query`: a query in brackets, as one expression (plans/expression.h).
    SqlNumber(std::string name, UserExpr query) : name_{std::move(name)}, query_{std::move(query)} {}
    Batch measure() const override;
    std::vector<Reading> read(Outcome const& outcome, Millis now) override;

  private:
    std::string name_;
    UserExpr query_;
};

}  // namespace weir
