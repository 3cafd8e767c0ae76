#pragma once
/// The world that a plan changes, as one snapshot: read from the server as one JSON document (that text is stored in
/// the ledger), and changed in memory by Operation::apply(). Pure data; no file but plans/catalog/json.cpp parses it.
#include <map>
#include <set>
#include <string>
#include <variant>

#include "plans/catalog/enum_type.h"
#include "plans/catalog/questions.h"
#include "plans/catalog/table.h"
#include "plans/problem.h"
#include "plans/sql.h"

namespace weir {

struct Catalog {
    int server_version{};  ///< server_version_num / 10000: 15
    std::string database;
    std::map<TableName, Table> tables;  ///< of the tables that the plan names, those that exist
    std::set<TableName>
        other_relations;  ///< every other relation that is not the system's, by name: taken names and hints
    std::map<TableName, Neighbour> neighbours{};  ///< at the other end of the foreign keys of `tables`
    std::map<TableName, EnumType> enums{};        ///< every enum type that is not the system's
    std::map<Question, Answer> answers;
    /// So many objects may be locked at a time, by all sessions together; 0: not known. And the server's setting
    /// `max_locks_per_transaction`, which that is a multiple of.
    int lock_slots{}, locks_per_transaction{};
    /// Of the run that began in this world: the recipe of each operation that its plan names. Empty in one just read,
    /// and in a snapshot of a weir that had none yet.
    std::map<std::string, int> recipes{};
    /// Those that may be set aside, by the prefix of their names, and the comment on each: see aside_of().
    std::map<TableName, std::string> aside_tables{};

    Table* find(TableName const& table);
    Table const* find(TableName const& table) const;
    bool operator==(Catalog const&) const = default;
};

/// The snapshot's text, and back. A member that is absent has its default, and what has its default is not written.
/// to_json is stable: the same catalog gives the same bytes.
std::string to_json(Catalog const& catalog);
/// Gives a Problem when the text is not such a document. A snapshot of an earlier format is read as what it says.
std::variant<Catalog, Problem> catalog_from_json(std::string_view text);

/// What is left of `neighbours` when foreign keys are gone: those that none of them leads to are forgotten.
void forget_neighbours(Catalog& catalog);

}  // namespace weir
