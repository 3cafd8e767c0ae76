
#include <boost/json.hpp>
#include <cstdio>

#include "orchestrator/cli/commands.h"
#include "orchestrator/machine/ledger_schema.h"

namespace weir {

int ledger_command(Options const& options) {
    boost::json::array statements;
    std::string text = "-- The ledger of weir, without its rows.\n";
    for (auto const& statement : create_ledger_copy()) {
        statements.emplace_back(statement.text());
        text += statement.text() + ";\n";
    }
    text.pop_back();
    say(options, {{"statements", std::move(statements)}}, text);
    // Half of it is worse than nothing for who runs it.
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return 0;
    return tell(Problem{Code::not_readable,
                        {},
                        "the SQL of the ledger could not be written whole",
                        "make room where standard output goes, and print it again"});
}

}  // namespace weir
