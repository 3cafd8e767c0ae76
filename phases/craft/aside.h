#pragma once
/// What is dropped with `drop.quarantine` is set aside under another name: how it is called, and for how long.
#include <string>
#include <string_view>

#include "plans/plan.h"
#include "plans/step.h"

namespace weir {

/// `weir_q1_`: `word`, and the run.
std::string run_prefix(std::string_view word, RunId run);

/// `prefix`, `name` and `suffix` in 63 bytes; what is too long is cut between characters and told apart by a part of
/// its fingerprint.
Ident fitting(std::string const& prefix, std::string const& name, std::string const& suffix = "");

/// `weir_q1_name`.
Ident aside_name(Ident const& name, RunId run);

/// `7 d`, for people.
std::string days(Millis time);

/// The hint where something of another run's quarantine is in the way: `what`, "column" or "table".
std::string way_out_of_quarantine(std::string_view what);

}  // namespace weir
