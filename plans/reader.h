#pragma once
/// Reads a plan file. Strict: everything that is not understood is a Problem with file, line and column.
#include <string>
#include <string_view>
#include <variant>

#include "plans/operation.h"
#include "plans/plan.h"
#include "plans/problem.h"

namespace weir {

/// Largest plan that is read, in bytes.
inline constexpr std::size_t plan_bytes_max = 1024 * 1024;

/// All problems at once, sorted by place; only of a file that is not well-formed YAML nothing but that is told. `file`
/// is only for messages. Never throws; touches nothing of the outside but the system's time zones, where one is named.
std::variant<Plan, Problems> read_plan(std::string_view text, std::string const& file, OperationTable operations);

/// One setting that may change while a run lives, by its dotted key (`throttle.wal_rate`, `batch.target`,
/// `locks.give_up`, or a whole group: `throttle`) and its value as the plan file would have it (`50MB/s`, `none`).
/// Gives `base` with it, or problems without a place. Whoever may set is not trusted like whoever writes plans: queries
/// and addresses that `base` does not have, and a sharper `locks.on_blocked` than its own, are problems.
std::variant<Settings, Problems> with_setting(Settings base, std::string_view key, std::string_view value);

/// The JSON Schema of the plan file (docs/plan.schema.json), from the same tables that the reader uses.
std::string plan_schema(OperationTable operations);

/// The fields of an operation as a table in Markdown, for its page in docs/operations, from the same tables, too.
std::string field_table(OperationRow const& operation);

/// How each kind of value is written that any of the operations takes, as tables in Markdown, for docs/plan.md.
std::string kind_table(OperationTable operations);

/// `150ms`, `2s`, `15m`, `24h`, `7d`; nothing when it is not a whole number with one of these units.
std::optional<Millis> read_duration(std::string_view text);

/// `512kB`, `50MB`, `2GB`, `1TB` (powers of 1024) as bytes.
std::optional<std::int64_t> read_size(std::string_view text);

}  // namespace weir
