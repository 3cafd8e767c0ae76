#pragma once
/// What the signals share: fields of an answer, words for a bad one, and which sessions are weir's own. Pure.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "orchestrator/machine/protocol.h"

namespace weir::answer {

/// Nothing for NULL and for whatever is not all of one number; `number` is finite.
std::optional<std::int64_t> integer(std::optional<std::string> const& field);
std::optional<double> number(std::optional<std::string> const& field);

Reading reading(std::string_view signal, std::string_view unit);
Reading unread(std::string_view signal, std::string_view unit, std::string problem);

/// Why an outcome gives no reading: the server's words, with the GRANT when it is a privilege that is missing; or that
/// its rows are not those that were asked for.
std::string why(Outcome const& outcome);

/// The one row of an answer that must have exactly one, of so many fields; nullptr otherwise.
Row const* only_row(Outcome const& outcome, std::size_t fields);

/// A condition on pg_stat_activity AS a: the session is one of this plan's run. Sessions introduce themselves as
/// `weir PLAN …`, and every role may see that.
Sql ours(std::string const& plan);

/// A condition on pg_stat_activity AS a: what the session of another role does is hidden from weir's. Background
/// processes never count, only sessions in a database.
Sql hidden();

/// The problem when `hidden` sessions were met.
std::string sessions_are_hidden(std::int64_t count);

/// A condition without correlation: somebody waits for a heavyweight lock, or it cannot be told. pg_locks is read only
/// then, because reading it holds every partition of the lock table for a moment.
Sql somebody_waits();

}  // namespace weir::answer
