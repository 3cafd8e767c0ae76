#include "phases/craft/writes.h"

#include <algorithm>

#include "phases/craft/subject.h"

namespace weir {
namespace {

/// The first of `columns` that is set, or nothing.
std::string const* set_among(Rows const& rows, std::vector<std::string> const& columns) {
    auto const found = std::find_if(columns.begin(), columns.end(), [&](std::string const& column) {
        return std::any_of(rows.fragments.begin(), rows.fragments.end(), [&](Fragment const& fragment) {
            return std::any_of(fragment.set.begin(), fragment.set.end(),
                               [&](Assignment const& a) { return a.column.text() == column; });
        });
    });
    return found == columns.end() ? nullptr : &*found;
}

bool would_fire(Trigger const& trigger, Rows const& rows, Table const& table) {
    if (table.kind == "p" && trigger.partition.empty() && !trigger.each_row) return false;
    if (rows.erases) return trigger.on_delete;
    return trigger.on_update && (trigger.columns.empty() || set_among(rows, trigger.columns) != nullptr);
}

}  // namespace

std::vector<std::string> trigger_notes(Rows const& rows, Table const& table, bool quiet) {
    std::vector<std::string> notes;
    for (auto const& trigger : table.triggers) {
        if (trigger.enabled == "D" || !would_fire(trigger, rows, table)) continue;
        bool const as_usual = trigger.enabled != "R";
        bool const as_replica = trigger.enabled != "O";
        if (!quiet && !as_usual) continue;
        std::string text = "trigger " + trigger.name + " on " +
                           (trigger.partition.empty() ? rows.table.text() : trigger.partition) + " (" +
                           (trigger.before ? "BEFORE " : "AFTER ") + (rows.erases ? "DELETE, " : "UPDATE, ") +
                           trigger.function + "())";
        std::string_view const how = trigger.each_row ? " for each row" : " once a batch, also for one without rows";
        if (!quiet)
            text.insert(0, "fires ").append(how);
        else if (as_replica)
            text.insert(0, "fires ").append(how).append(": it is enabled for replication too");
        else
            text.insert(0, "keeps quiet ");
        notes.push_back(std::move(text));
    }
    return notes;
}

Batch quiet_settings() { return {sql("SET LOCAL session_replication_role = replica")}; }

Problems quiet_refused(Rows const& rows, Table const& table, Place const& place) {
    Problems problems;
    auto const refuse = [&](std::string const& what) {
        problems.push_back({Code::conflict, place, "fire_triggers: no would switch off the check of " + what,
                            "leave fire_triggers out; or disable the one trigger for the time of the run"});
    };
    for (auto const& key : table.foreign_keys) {
        std::string const what = "the foreign key " + key.name + " of " + key.table.text();
        for (bool const theirs : {false, true}) {
            if (theirs ? !key.theirs : !key.ours) continue;
            if (rows.erases && theirs)
                refuse(what + ", which refers to " + rows.table.text());
            else if (auto const* column = set_among(rows, theirs ? key.to_columns : key.columns))
                refuse(what + ", which uses " + said(rows.table, *column));
        }
    }
    for (auto const& constraint : table.constraints) {
        bool const unique = constraint.kind == "u" || constraint.kind == "p" || constraint.kind == "x";
        if (!unique || !constraint.deferrable) continue;
        auto const* column = set_among(rows, constraint.columns);
        // What an exclusion's expressions read is not among its columns.
        if (column != nullptr || (constraint.kind == "x" && !rows.erases))
            refuse("the deferrable constraint " + constraint.name + " of " + rows.table.text());
    }
    return problems;
}

std::string why_never_in_page(Rows const& rows, Table const& table, int server_version) {
    for (auto const& [name, index] : table.indexes) {
        if (index.method == "brin" && server_version >= 16) continue;
        if (auto const* column = set_among(rows, index.columns))
            return "the index " + name + " is on " + said(rows.table, *column) +
                   ", so each new row version needs index entries";
    }
    return {};
}

}  // namespace weir
