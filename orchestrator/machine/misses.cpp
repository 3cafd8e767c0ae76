#include "orchestrator/machine/misses.h"

#include <string>
#include <utility>

namespace weir {
namespace {

/// For a terminal: a key is what stands in a row.
Sealed among_them(BackfillMachine const& proof) {
    std::string text;
    for (auto const& key : proof.keys()) text += (text.empty() ? "among them " : "; ") + key.reveal();
    return Sealed{std::move(text)};
}

std::string rows_of(BackfillMachine const& proof, TableName const& table) {
    return std::to_string(proof.rows_wrong()) + " rows of " + table.text();
}

}  // namespace

Problem misses(BackfillMachine const& proof, Step const& step, bool gate_opened) {
    auto const rows = rows_of(proof, step.rows->table);
    if (step.rows->erases)
        return {Code::misses,
                {},
                rows + " are still there",
                "a trigger keeps them, or they stayed locked: mend that or the plan, and run again",
                among_them(proof)};
    return {Code::misses,
            {},
            rows + " are not right",
            gate_opened ? "the new application may have written them: compare both columns, mend the rows, and run "
                          "again"
                        : "the expression gives NULL (or finds no row), or the rows stayed locked: mend the rows or "
                          "the plan, and run again",
            among_them(proof)};
}

Problem misses_aside(BackfillMachine const& proof, Step const& step) {
    return {Code::misses,
            {},
            rows_of(proof, step.undo.proves->table) + " are not right: " + step.aside->text() +
                " does not say what the column that stays says",
            "they were written without the sync since the column was set aside: compare both columns, mend the rows, "
            "and give the same command again",
            among_them(proof)};
}

Warned misses_at_gate(BackfillMachine const& proof, Step const& step) {
    return {rows_of(proof, step.rows->table) + " are not right while the gate is open",
            "compare both columns and mend them: the contract phase begins with the same proof, and stops on them",
            among_them(proof)};
}

}  // namespace weir
