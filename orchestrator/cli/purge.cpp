#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "orchestrator/cli/carry_out.h"
#include "orchestrator/cli/commands.h"
#include "orchestrator/machine/ledger.h"
#include "orchestrator/postgres/ask.h"
#include "orchestrator/postgres/leadership.h"

namespace weir {
namespace {

/// The names of the plans of which the quarantine is over.
std::variant<std::vector<std::string>, Problem> names_due(std::string const& database) {
    boost::asio::io_context io;
    auto opened = Asker::open(io, database, {"weir purge", false});
    if (auto* problem = std::get_if<Problem>(&opened)) return std::move(*problem);
    auto& asker = *std::get<std::unique_ptr<Asker>>(opened);
    auto const ledger = has_ledger(asker);
    if (auto const* problem = std::get_if<Problem>(&ledger)) return *problem;
    std::vector<std::string> names;
    if (!std::get<bool>(ledger)) return names;
    auto const listed = asker.ask(list_due());
    if (listed.fate != Fate::done) return problem_of(listed, "cannot read the ledger");
    for (auto const& row : listed.rows) names.push_back(row.fields[0].value_or(""));
    return names;
}

}  // namespace

int purge_command(Options const& options) {
    if (!options.words.empty()) return carry_out(options, Task::purge, nullptr, options.words[0]);
    auto const found = names_due(options.database);
    if (auto const* problem = std::get_if<Problem>(&found)) return tell(*problem);
    auto const& due = std::get<std::vector<std::string>>(found);
    if (due.empty()) say_nothing_to_do(options, "", "", "", "no quarantine is over: nothing to do");
    // One that cannot be purged keeps nothing back of the others.
    int worst = 0;
    bool interrupted = false;
    for (auto const& name : due) {
        if (interrupted) break;
        worst = std::max(worst, carry_out(options, Task::purge, nullptr, name, [&] { interrupted = true; }));
    }
    return worst;
}

}  // namespace weir
