#include <algorithm>
#include <array>
#include <set>

#include "phases/craft/aside.h"
#include "phases/craft/block.h"
#include "phases/craft/deeds.h"
#include "phases/craft/names.h"
#include "phases/craft/subject.h"
#include "phases/operations.h"

namespace weir {
namespace {

/// What the operations on one table share.
struct Dropped {
    TableName table;
    Phase listed;
    Place place;
    Millis quarantine;
};

/// Empty while nobody asked.
Belongings const& belongings(Catalog const& catalog, TableName const& table) {
    static Belongings const none{};
    Answer const* judged = answer(catalog, DropQuestion{table});
    return judged && judged->belongings ? *judged->belongings : none;
}

/// A relation that an operation before has dropped, or set aside without its foreign keys. Of other sessions' temporary
/// ones the catalog does not tell.
bool is_gone(Catalog const& world, TableName const& relation) {
    if (relation.schema.text().starts_with("pg_")) return false;
    return world.find(relation) == nullptr && !world.other_relations.contains(relation);
}

TableName kept_as(TableName const& table, RunId run) { return {table.schema, aside_name(table.name, run)}; }

/// The foreign keys to other tables, which go or are lifted.
std::vector<ForeignKey> references(Catalog const& catalog, TableName const& table) {
    return references_of(*catalog.find(table));
}

Neighbour const& neighbour(Catalog const& catalog, TableName const& name) {
    static Neighbour const none{};
    auto const found = catalog.neighbours.find(name);
    return found == catalog.neighbours.end() ? none : found->second;
}

/// What is known of the foreign keys among `table` and those that it refers to.
std::vector<Refers> refers(Catalog const& catalog, TableName const& table, std::vector<ForeignKey> const& references) {
    std::vector<Refers> all;
    for (auto const& reference : references) {
        all.emplace_back(table, reference.to);
        for (auto const& further : neighbour(catalog, reference.to).refers) all.emplace_back(reference.to, further);
    }
    return all;
}

Sql regclass(TableName const& table) { return sql("{0}::pg_catalog.regclass", Value{sql("{0}", table).text()}); }

std::vector<std::string> notes_of(Catalog const& catalog, TableName const& table) {
    std::vector<std::string> notes;
    for (auto const& function : belongings(catalog, table).mentions)
        notes.push_back("function " + function + " has the name " + table.name.text() +
                        " in its text: if it means this table, it fails from then on");
    return notes;
}

/// Out of the other tables, as far as they are read: what of this one referred to them.
void forget_references(Catalog& catalog, TableName const& table, bool all) {
    auto const& own = belongings(catalog, table);
    auto const is_ours = [&](TableName const& name) {
        return name == table || std::find(own.relations.begin(), own.relations.end(), name) != own.relations.end();
    };
    for (auto& [name, other] : catalog.tables) {
        if (name == table) continue;
        std::erase_if(other.foreign_keys, [&](ForeignKey const& k) { return k.theirs && is_ours(k.table); });
        std::erase_if(other.dependents, [&](TableDependent const& d) {
            return (all || d.what.kind == "table constraint") &&
                   std::find(own.outward.begin(), own.outward.end(), d.what) != own.outward.end();
        });
    }
}

void forget_relations(Catalog& catalog, TableName const& table) {
    for (auto const& relation : belongings(catalog, table).relations) catalog.other_relations.erase(relation);
}

std::vector<Touched> touched(Dropped const& d) { return {{d.table, ""}}; }

void check(Dropped const& d, Catalog const& catalog, Problems& problems) {
    auto const name = d.table.text();
    auto const refuse = [&](Code code, std::string message, std::string hint) {
        problems.push_back({code, d.place, std::move(message), std::move(hint)});
    };
    if (d.listed != Phase::contract)
        refuse(Code::bad_value, "drop_table must stand under contract",
               "what is dropped cannot be brought back, so it waits for the gate");
    auto const& schema = d.table.schema.text();
    if (schema == "weir" || schema == "weir_sync" || schema == "information_schema" || schema.starts_with("pg_")) {
        refuse(
            Code::wrong_table_kind, name + (schema.starts_with("weir") ? " is weir's own" : " is the server's own"),
            schema.starts_with("weir") ? "docs/ledger.md says how the ledger is removed" : "name a table of your own");
        return;
    }
    Table const* table = own_table(catalog, d.table, d.place, problems);
    if (table == nullptr) return;
    for (auto const& sync : table->syncs)
        refuse(Code::conflict, said(d.table, sync.to) + " is kept equal to " + sync.from + " by a live sync",
               "let the plan that made the sync drop " + sync.from + ", or abort its run");
    for (auto const& column : table->columns)
        if (auto const aside = aside_of(column); aside && RunId{aside->run} == trial_run)
            refuse(Code::conflict, "the plan sets " + said(d.table, aside->column) + " aside, too",
                   "leave that change out: drop_table takes the column along");
        else if (aside)
            refuse(Code::conflict,
                   said(d.table, aside->column) + " is in the quarantine of run " + std::to_string(aside->run) +
                       ": it is kept aside as " + column.name,
                   way_out_of_quarantine("column"));
    for (auto const& [other, comment] : catalog.aside_tables) {
        auto const aside = weir::aside_of(other.name.text(), comment);
        if (!aside || RunId{aside->run} == trial_run ||
            std::find(aside->refers.begin(), aside->refers.end(), d.table) == aside->refers.end())
            continue;
        refuse(Code::conflict,
               "a foreign key of " + aside->column + ", kept aside as " + other.text() + " in the quarantine of run " +
                   std::to_string(aside->run) + ", refers to " + name,
               way_out_of_quarantine("table"));
    }
    if (Answer const* judged = answer(catalog, DropQuestion{d.table}); judged && !judged->sqlstate.empty())
        refuse(Code::statement_refused, "the server does not tell what depends on " + name + ": " + judged->error,
               "mend what the server names, and run again");
    auto const& own = belongings(catalog, d.table);
    for (auto const& obstacle : own.obstacles) {
        if (obstacle.of && is_gone(catalog, *obstacle.of)) continue;
        auto const& [kind, identity] = obstacle.what;
        if (kind == "publication")
            refuse(Code::has_dependents, "publication " + identity + " has " + name + " in its list",
                   "its subscribers would be left behind without a word: ALTER PUBLICATION … DROP TABLE first");
        else if (kind == "subscription")
            refuse(Code::has_dependents, "subscription " + identity + " writes into " + name,
                   "take it out of the publication that it comes from, and ALTER SUBSCRIPTION … REFRESH PUBLICATION");
        else if (kind == "extension")
            refuse(Code::has_dependents, name + " belongs to extension " + identity,
                   "DROP EXTENSION drops what belongs to it");
        else
            refuse(Code::has_dependents, kind + " " + identity + " depends on " + name,
                   "weir never drops with CASCADE: drop it, or point it at another table, in an earlier migration");
    }
    for (auto const& reference : references(catalog, d.table))
        if (!neighbour(catalog, reference.to).may_lock)
            refuse(Code::no_privilege,
                   "the connected role may not lock " + reference.to.text() + ", to which foreign key " +
                       reference.name + " of " + reference.table.text() + " refers",
                   "GRANT UPDATE ON that table TO the role that weir uses: dropping the key locks both tables");
}

class DropTable : public Operation {
  public:
    explicit DropTable(Dropped dropped) : d_{std::move(dropped)} {}

    Questions questions(Catalog const& catalog) const override {
        return catalog.find(d_.table) ? Questions{DropQuestion{d_.table}} : Questions{};
    }

    Problems validate(Catalog const& catalog) const override {
        Problems problems;
        check(d_, catalog, problems);
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId) const override {
        auto const lifted = references(catalog, d_.table);
        auto locks = lock_of(d_.table, LockMode::access_exclusive);
        for (auto const& reference : lifted) locks.push_back({reference.to, LockMode::access_exclusive});
        auto drop = there_and_back("drop table " + d_.table.text(),
                                   under(in_lock_order(std::move(locks), refers(catalog, d_.table, lifted)),
                                         {sql("DROP TABLE {0} RESTRICT", d_.table)}),
                                   nothing("none: it drops at once, and nothing brings the rows back"));
        std::sort(drop.forward.holds.begin(), drop.forward.holds.end());
        drop.whole_table = true;
        drop.destroys = {d_.table};
        return {drop};
    }

    void apply(Catalog& catalog, RunId) const override {
        forget_references(catalog, d_.table, true);
        forget_relations(catalog, d_.table);
        catalog.tables.erase(d_.table);
        forget_neighbours(catalog);
    }

    std::vector<Touched> touches() const override { return touched(d_); }
    bool needs_gate(Catalog const&) const override { return true; }
    std::vector<std::string> gate_notes(Catalog const& catalog) const override {
        auto notes = notes_of(catalog, d_.table);
        notes.insert(notes.begin(), d_.table.text() +
                                        " is dropped at once with all its rows, and nothing brings it "
                                        "back (drop.quarantine would keep it for a while)");
        return notes;
    }

  private:
    Dropped d_;
};

// ---- with quarantine ------------------------------------------------------------------------------------------------

Sql columns(std::vector<std::string> const& names) {
    std::vector<Sql> all;
    for (auto const& name : names) all.push_back(sql("{0}", Ident::of(name)));
    return Sql::join(all, ", ");
}

Sql action(std::string const& code) {
    if (code == "r") return sql("RESTRICT");
    if (code == "c") return sql("CASCADE");
    if (code == "n") return sql("SET NULL");
    if (code == "d") return sql("SET DEFAULT");
    return sql("NO ACTION");
}

/// The foreign key anew, not looked at yet.
Sql add_reference(TableName const& table, ForeignKey const& r) {
    return sql(
        "ALTER TABLE {0} ADD CONSTRAINT {1} FOREIGN KEY ({2}) REFERENCES {3} ({4}){5} ON UPDATE {6} ON DELETE "
        "{7}{8}{9} NOT VALID",
        table, Ident::of(r.name), columns(r.columns), r.to, columns(r.to_columns),
        r.match == "f" ? sql(" MATCH FULL") : sql(""), action(r.on_update), action(r.on_delete),
        r.set_columns.empty() ? sql("") : sql(" ({0})", columns(r.set_columns)),
        !r.deferrable ? sql("")
        : r.deferred  ? sql(" DEFERRABLE INITIALLY DEFERRED")
                      : sql(" DEFERRABLE"));
}

/// Raises WE006 unless the foreign key is what the way back would make of it.
Sql is_as_noted(TableName const& table, ForeignKey const& r) {
    std::string definition = r.definition;
    constexpr std::string_view not_valid{" NOT VALID"};
    if (definition.ends_with(not_valid)) definition.resize(definition.size() - not_valid.size());
    return block(
        {},
        sql(R"(  IF NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conrelid = {0} AND k.conname = {1} AND k.contype = 'f'
                 AND pg_catalog.regexp_replace(pg_catalog.pg_get_constraintdef(k.oid), ' NOT VALID$', '') = {2}) THEN
    RAISE EXCEPTION 'foreign key % is not what it was when the run began', {1} USING ERRCODE = 'WE006';
  END IF;)",
            regclass(table), Value{r.name}, Value{definition}));
}

/// Raises WE006 when the table has a foreign key to another one that the way back knows nothing of.
Sql no_other_references(TableName const& table, std::vector<ForeignKey> const& noted) {
    std::vector<Sql> names;
    for (auto const& reference : noted) names.push_back(sql("{0}", Value{reference.name}));
    return block(sql("  made pg_catalog.text;"), sql(R"(  SELECT pg_catalog.string_agg(k.conname, ', ') INTO made
    FROM (SELECT {0}::pg_catalog.oid AS relid UNION SELECT p.relid FROM pg_catalog.pg_partition_tree({0}) p) t
    JOIN pg_catalog.pg_constraint k ON k.conrelid = t.relid AND k.contype = 'f' AND k.conparentid = 0
    WHERE k.conname <> ALL (ARRAY[{1}]::pg_catalog.text[])
      AND k.confrelid NOT IN (SELECT {0}::pg_catalog.oid UNION SELECT p.relid FROM pg_catalog.pg_partition_tree({0}) p);
  IF made IS NOT NULL THEN
    RAISE EXCEPTION 'the table has a foreign key that was made since the run began: %', made USING ERRCODE = 'WE006';
  END IF;)",
                                                     regclass(table), Sql::join(names, ", ")));
}

/// Raises WE006 when the name that a rollback gives back is taken, or what it would give it to is not there.
Sql may_come_back(TableName const& table, TableName const& aside) {
    return sql("DO {0}", Sql::body(sql(R"(
BEGIN
  IF pg_catalog.to_regclass({0}) IS NOT NULL OR pg_catalog.to_regtype({0}) IS NOT NULL THEN
    RAISE EXCEPTION '% is there again: the name of what is kept aside is taken', {2} USING ERRCODE = 'WE006';
  END IF;
  IF pg_catalog.to_regclass({1}) IS NULL THEN
    RAISE EXCEPTION '% is not there any more', {3} USING ERRCODE = 'WE006';
  END IF;
END
)",
                                       Value{sql("{0}", table).text()}, Value{sql("{0}", aside).text()},
                                       Value{table.text()}, Value{aside.text()})));
}

Sql comment_on(TableName const& table, std::optional<std::string> const& text) {
    return sql("COMMENT ON TABLE {0} IS {1}", table, text ? sql("{0}", Value{*text}) : sql("NULL"));
}

/// The table under another name, where nobody looks for it, and without the foreign keys that would go on guarding the
/// tables that it refers to. Undone, it is where it was.
class SetTableAside : public Operation {
  public:
    explicit SetTableAside(Dropped dropped) : d_{dropped}, drop_{std::move(dropped)} {}

    Questions questions(Catalog const& catalog) const override { return drop_.questions(catalog); }

    Problems validate(Catalog const& catalog) const override {
        auto problems = drop_.validate(catalog);
        if (!problems.empty()) return problems;
        auto const& own = belongings(catalog, d_.table);
        Answer const* judged = answer(catalog, DropQuestion{d_.table});
        auto const refuse = [&](Code code, std::string const& why, std::string hint) {
            problems.push_back(
                {code, d_.place, d_.table.text() + " cannot be kept in quarantine: " + why, std::move(hint)});
        };
        std::string const at_once = "write drop: { quarantine: 0s }: then it is dropped at once";
        if (judged && !own.may_rename)
            refuse(Code::no_privilege,
                   "role " + own.role + ", which changes it, may not give a table of schema " + d_.table.schema.text() +
                       " another name",
                   "GRANT CREATE ON SCHEMA \"" + d_.table.schema.text() + "\" TO \"" + own.role + "\", or " + at_once);
        for (auto const& publication : own.published)
            refuse(Code::not_supported,
                   "publication " + publication + " publishes it, and would go on under a name that no subscriber has",
                   "let the publication list its tables, without this one, or " + at_once);
        for (auto const& r : references(catalog, d_.table)) {
            auto const key = "foreign key " + r.name + " to " + r.to.text();
            if (catalog.find(d_.table)->kind == "p")
                refuse(Code::not_supported, key + " of a partitioned table could not be rebuilt without a long lock",
                       "drop the foreign key in an earlier migration, or " + at_once);
            else if (neighbour(catalog, r.to).kind == "p")
                refuse(Code::not_supported, key + ", a partitioned table, could not be rebuilt as it is",
                       "drop the foreign key in an earlier migration, or " + at_once);
            else if (!r.plain)
                refuse(Code::not_supported, key + " could not be rebuilt: " + r.definition,
                       "drop the foreign key in an earlier migration, or " + at_once);
            else if (std::find(own.may_not_refer.begin(), own.may_not_refer.end(), r.to) != own.may_not_refer.end())
                refuse(Code::no_privilege,
                       "role " + own.role + ", which changes it, may not make foreign keys to " + r.to.text() +
                           ", and so not rebuild " + r.name,
                       "GRANT REFERENCES ON that table TO \"" + own.role + "\", or " + at_once);
        }
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId run) const override {
        auto const lifted_keys = references(catalog, d_.table);
        TableName const aside = kept_as(d_.table, run);
        auto step = there_and_back("set " + d_.table.text() + " aside as " + aside.name.text(),
                                   under(lock_of(d_.table, LockMode::access_exclusive),
                                         {no_other_references(d_.table, lifted_keys),
                                          sql("ALTER TABLE {0} RENAME TO {1}", d_.table, aside.name),
                                          comment_on(aside, mark(lifted_keys, run))}),
                                   under(lock_of(aside, LockMode::access_exclusive),
                                         {sql("ALTER TABLE {0} RENAME TO {1}", aside, d_.table.name),
                                          comment_on(d_.table, catalog.find(d_.table)->comment)}));
        step.undo.guard = {may_come_back(d_.table, aside)};
        step.whole_table = true;
        if (catalog.find(d_.table)->kind == "p")
            step.notes.emplace_back("its partitions keep their names: who writes to one by name still can");
        Steps steps{std::move(step)};
        for (auto const& r : lifted_keys) {
            auto const key = "foreign key " + r.name + " to " + r.to.text();
            auto const both = [&](LockMode own_mode, LockMode other) {
                return in_lock_order({{aside, own_mode}, {r.to, other}}, refers(catalog, aside, {r}));
            };
            // Undone newest first: the key is made, then every row is looked at.
            if (r.validated) {
                auto proven =
                    there_and_back("a way back: every row of " + aside.name.text() + " is checked against " + key, {},
                                   under(both(LockMode::share_update_exclusive, LockMode::row_share),
                                         {sql("ALTER TABLE {0} VALIDATE CONSTRAINT {1}", aside, Ident::of(r.name))}));
                proven.undo.scans = true;
                steps.push_back(std::move(proven));
            }
            auto lifted = there_and_back(
                "lift the " + key + " from " + aside.name.text(),
                under(both(LockMode::access_exclusive, LockMode::access_exclusive),
                      {is_as_noted(aside, r),
                       sql("ALTER TABLE {0} DROP CONSTRAINT {1} RESTRICT", aside, Ident::of(r.name))}),
                under(both(LockMode::share_row_exclusive, LockMode::share_row_exclusive), {add_reference(aside, r)}));
            lifted.whole_table = true;
            for (auto* deed : {&lifted.forward, &lifted.undo}) std::sort(deed->holds.begin(), deed->holds.end());
            if (r.comment)
                lifted.undo.statements.push_back(
                    sql("COMMENT ON CONSTRAINT {0} ON {1} IS {2}", Ident::of(r.name), aside, Value{*r.comment}));
            steps.push_back(std::move(lifted));
        }
        return steps;
    }

    void apply(Catalog& catalog, RunId run) const override {
        TableName const aside = kept_as(d_.table, run);
        catalog.aside_tables[aside] = mark(references(catalog, d_.table), run);
        catalog.other_relations.insert(aside);
        forget_references(catalog, d_.table, false);
        catalog.tables.erase(d_.table);
        forget_neighbours(catalog);
    }

    std::vector<Touched> touches() const override { return touched(d_); }
    bool needs_gate(Catalog const&) const override { return true; }
    std::vector<std::string> gate_notes(Catalog const& catalog) const override {
        auto notes = notes_of(catalog, d_.table);
        notes.insert(notes.begin(), d_.table.text() + " is kept aside for " + days(d_.quarantine) +
                                        ", and weir rollback brings it back; then it is dropped with all its rows");
        return notes;
    }

  private:
    std::string mark(std::vector<ForeignKey> const& lifted, RunId run) const {
        std::set<TableName> refers;
        for (auto const& reference : lifted) refers.insert(reference.to);
        return aside_comment(
            {static_cast<std::int64_t>(run), d_.table.name.text(), "", {refers.begin(), refers.end()}});
    }

    Dropped d_;
    DropTable drop_;
};

class PurgeTable : public Operation {
  public:
    explicit PurgeTable(Dropped dropped) : d_{std::move(dropped)} {}

    Problems validate(Catalog const&) const override { return {}; }

    Steps compile(Catalog const&, RunId run) const override {
        TableName const aside = kept_as(d_.table, run);
        auto drop =
            there_and_back("drop table " + aside.text() + ", which was " + d_.table.name.text(),
                           under(lock_of(aside, LockMode::access_exclusive), {sql("DROP TABLE {0} RESTRICT", aside)}),
                           nothing("none: nothing brings the rows back"));
        drop.whole_table = true;
        drop.destroys = {aside};
        return {drop};
    }

    void apply(Catalog& catalog, RunId run) const override {
        TableName const aside = kept_as(d_.table, run);
        forget_relations(catalog, d_.table);
        catalog.other_relations.erase(aside);
        catalog.aside_tables.erase(aside);
    }

    std::vector<Touched> touches() const override { return touched(d_); }

  private:
    Dropped d_;
};

constexpr std::array specs{
    FieldSpec{"table", FieldKind::table, FieldUse::required, "the table; nothing else may depend on it"},
};

}  // namespace

OperationRow const drop_table_row{
    "drop_table", Level::primitive, specs,
    [](FieldValues const& fields, BuildContext const& context) {
        Dropped const dropped{fields.get<TableName>("table"), context.listed, fields.place, context.quarantine};
        if (context.quarantine.count() > 0)
            return std::vector<Part>{{context.listed, std::make_shared<SetTableAside>(dropped)},
                                     {Phase::quarantine, std::make_shared<PurgeTable>(dropped)}};
        return std::vector<Part>{{context.listed, std::make_shared<DropTable>(dropped)}};
    },
    "drops a table with its partitions, indexes and owned sequences; never what depends on it"};

}  // namespace weir
