#pragma once
/// The commands: each prints to stdout what was asked for, to stderr what is wrong, and gives the exit code.
#include <boost/json/object.hpp>
#include <string>
#include <variant>

#include "orchestrator/cli/options.h"
#include "orchestrator/machine/protocol.h"
#include "orchestrator/run/version.h"
#include "plans/plan.h"

namespace weir {

int run_command(Options const&);
int plan_command(Options const&);
int status_command(Options const&);
int status_metrics(Options const&);
int approve_command(Options const&);
int abort_command(Options const&);
int pause_command(Options const&);
int resume_command(Options const&);
int set_command(Options const&);
int rollback_command(Options const&);
int purge_command(Options const&);
int ledger_command(Options const&);

/// The plan file, or its problems (not-readable when it is not there).
std::variant<Plan, Problems> load_plan(std::string const& path);

/// Of an order that the server did not take.
Problem order_refused(Outcome const&);

/// Prints to stdout: the words, or for --json the document, in one line.
void say(Options const&, boost::json::object const& document, std::string const& words);

/// Prints to stderr and gives the exit code.
int tell(Problem const&);
int tell(Problems const&);

}  // namespace weir
