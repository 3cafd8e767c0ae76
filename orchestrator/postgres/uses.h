#pragma once
/// Who still uses a column or a table that is in quarantine.
#include <string>
#include <variant>
#include <vector>

#include "orchestrator/postgres/ask.h"
#include "plans/step.h"

namespace weir {

struct Use {
    std::string column;  ///< `users.weir_q1_name`; of a table `weir_q1_users`
    std::string was;     ///< its name before
    /// `depends`: an object that PostgreSQL knows to need it; `mentions`: a function whose text names it by its old or
    /// its new name, and with a column its table; `statement`: one that pg_stat_statements has under the new name;
    /// `both`: INSERTs since the run began that gave the column and the one in its place values that do not fit.
    std::string how;
    std::string by;  ///< `view active_users`, `function f(integer)`, `12 calls by app: SELECT …`, `2 INSERTs`
    bool of_table{};
    bool operator==(Use const&) const = default;
};

/// Reads the catalog, and pg_stat_statements where it is there and may be read. In the order above, and by name.
std::variant<std::vector<Use>, Problem> uses_of(Asker& asker, RunId run);

/// `view active_users uses users.weir_q1_name`.
std::string to_text(Use const& use);

}  // namespace weir
