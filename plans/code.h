#pragma once
/// The catalogue of messages: every problem, refusal and stop has one code, and the code decides the exit code.
/// docs/messages.md explains each; a test holds the two together.
#include <span>
#include <string_view>

namespace weir {

enum class Code {
    // exit 1: the plan
    not_readable,  ///< the file cannot be read, or is not UTF-8, or too large
    bad_yaml,      ///< not well-formed, or a construct that weir does not accept (anchors, tags, second documents)
    unknown_key,
    duplicate_key,
    missing_key,
    wrong_type,
    bad_value,
    bad_name,        ///< an identifier that is empty or longer than 63 bytes
    bad_expression,  ///< not one SQL expression, or the server refuses it
    not_supported,   ///< a key or operation that this version does not know how to carry out
    unknown_table,
    unknown_column,
    unknown_plan,
    unknown_gate,
    name_taken,
    has_dependents,  ///< something depends on the column that this version cannot carry
    conflict,        ///< two changes of one plan touch the same column
    wrong_table_kind,
    command_not_allowed,  ///< the plan runs a program, and nobody said on the command line that it may
    too_many_partitions,  ///< a step on all of them does not fit into `locks.timeout`, or into the server's lock table
    // exit 2: usage
    usage,
    // exit 4: stopped, safe to resume
    gave_up_lock,
    too_much_work,  ///< a step's statements do not fit into `locks.timeout`, and nobody is in the way
    statement_refused,
    no_room,          ///< the server is out of disk, memory or what a limit of its own allows
    would_lose,       ///< a rollback would lose values that did not go back; refused before or under its lock
    misses,           ///< the proof found rows that are not right and that weir may not fill
    trigger_changed,  ///< a sync trigger was disabled, dropped or replaced
    table_changed,    ///< somebody changes the table so that its rows cannot be proven, or not to an end
    backup_failed,    ///< a dump that was due was not made, or does not hold what it should
    connection_lost,
    interrupted,
    // exit 5: refused
    cannot_connect,
    no_privilege,
    other_leader,
    changed_plan,
    pooler,
    is_replica,
    server_version,
    ledger_version,
    ledger_damaged,  ///< the ledger is not as weir leaves it: something of it is missing, or was changed by hand
    wrong_server,    ///< another cluster, or an older timeline, than the run was seen on
    no_backup,       ///< the dump that the plan asks for cannot be made from here
    not_now,         ///< the state of the run does not allow it
};

struct CodeRow {
    Code code;
    std::string_view name;  ///< as printed: `unknown-key`
    int exit;
};

std::span<CodeRow const> codes();
std::string_view name(Code code);
int exit_code(Code code);

}  // namespace weir
