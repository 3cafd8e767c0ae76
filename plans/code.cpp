#include "plans/code.h"

#include <algorithm>
#include <array>

namespace weir {
namespace {

constexpr std::array rows{
    CodeRow{Code::not_readable, "not-readable", 1},
    CodeRow{Code::bad_yaml, "bad-yaml", 1},
    CodeRow{Code::unknown_key, "unknown-key", 1},
    CodeRow{Code::duplicate_key, "duplicate-key", 1},
    CodeRow{Code::missing_key, "missing-key", 1},
    CodeRow{Code::wrong_type, "wrong-type", 1},
    CodeRow{Code::bad_value, "bad-value", 1},
    CodeRow{Code::bad_name, "bad-name", 1},
    CodeRow{Code::bad_expression, "bad-expression", 1},
    CodeRow{Code::not_supported, "not-supported", 1},
    CodeRow{Code::unknown_table, "unknown-table", 1},
    CodeRow{Code::unknown_column, "unknown-column", 1},
    CodeRow{Code::unknown_plan, "unknown-plan", 1},
    CodeRow{Code::unknown_gate, "unknown-gate", 1},
    CodeRow{Code::name_taken, "name-taken", 1},
    CodeRow{Code::has_dependents, "has-dependents", 1},
    CodeRow{Code::conflict, "conflict", 1},
    CodeRow{Code::wrong_table_kind, "wrong-table-kind", 1},
    CodeRow{Code::command_not_allowed, "command-not-allowed", 1},
    CodeRow{Code::too_many_partitions, "too-many-partitions", 1},
    CodeRow{Code::usage, "usage", 2},
    CodeRow{Code::gave_up_lock, "gave-up-lock", 4},
    CodeRow{Code::too_much_work, "too-much-work", 4},
    CodeRow{Code::statement_refused, "statement-refused", 4},
    CodeRow{Code::no_room, "no-room", 4},
    CodeRow{Code::would_lose, "would-lose", 4},
    CodeRow{Code::misses, "misses", 4},
    CodeRow{Code::trigger_changed, "trigger-changed", 4},
    CodeRow{Code::table_changed, "table-changed", 4},
    CodeRow{Code::backup_failed, "backup-failed", 4},
    CodeRow{Code::connection_lost, "connection-lost", 4},
    CodeRow{Code::interrupted, "interrupted", 4},
    CodeRow{Code::cannot_connect, "cannot-connect", 5},
    CodeRow{Code::no_privilege, "no-privilege", 5},
    CodeRow{Code::other_leader, "other-leader", 5},
    CodeRow{Code::changed_plan, "changed-plan", 5},
    CodeRow{Code::pooler, "pooler", 5},
    CodeRow{Code::is_replica, "is-replica", 5},
    CodeRow{Code::server_version, "server-version", 5},
    CodeRow{Code::ledger_version, "ledger-version", 5},
    CodeRow{Code::ledger_damaged, "ledger-damaged", 5},
    CodeRow{Code::wrong_server, "wrong-server", 5},
    CodeRow{Code::no_backup, "no-backup", 5},
    CodeRow{Code::not_now, "not-now", 5},
};

CodeRow const& row(Code code) {
    return *std::find_if(rows.begin(), rows.end(), [&](CodeRow const& r) { return r.code == code; });
}

}  // namespace

std::span<CodeRow const> codes() { return rows; }
std::string_view name(Code code) { return row(code).name; }
int exit_code(Code code) { return row(code).exit; }

}  // namespace weir
