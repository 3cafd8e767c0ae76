#include <algorithm>

#include "phases/craft/aside.h"
#include "phases/craft/deeds.h"
#include "phases/craft/hand_over.h"
#include "phases/craft/leaf_columns.h"
#include "phases/craft/leaves.h"
#include "phases/craft/names.h"
#include "phases/craft/parts.h"
#include "phases/craft/shape.h"
#include "phases/craft/subject.h"
#include "phases/craft/sync.h"
#include "plans/plan.h"

namespace weir {
namespace {

void append(Batch& to, Batch more) {
    for (auto& statement : more) to.push_back(std::move(statement));
}

/// The column under another name: nothing of it bites who writes the table, and what the new column is given goes back
/// to it. Undone as one, it is where it was.
class SetAside : public Operation {
  public:
    SetAside(TableName table, Ident column, Phase listed, Place place, Millis quarantine)
        : table_{table},
          column_{column},
          place_{place},
          quarantine_{quarantine},
          drop_{make_drop_column(std::move(table), std::move(column), listed, std::move(place))} {}

    Questions questions(Catalog const& catalog) const override {
        auto const asked = question(catalog);
        return asked ? Questions{*asked} : Questions{};
    }

    Problems validate(Catalog const& catalog) const override {
        auto problems = drop_->validate(catalog);
        if (!problems.empty()) return problems;
        Table const& table = *catalog.find(table_);
        auto const refuse = [&](std::string why, std::string hint) {
            problems.push_back({Code::not_supported, place_,
                                said(table_, column_.text()) + " cannot be kept in quarantine: " + std::move(why),
                                std::move(hint)});
        };
        if (Answer const* judged = answer(catalog, *question(catalog)); judged && judged->sqlstate == rewrites)
            refuse(judged->error + ", which would go on judging what is written",
                   "write drop: { quarantine: 0s }: then it is dropped at once");
        if (Sync const* live = sync_from(table, column_.text())) {
            if (!live->two_way)
                refuse("its sync with " + live->to + " has no reverse, so that what is written to " + live->to +
                           " meanwhile could not be brought back",
                       "declare a reverse for sync_columns, or write drop: { quarantine: 0s }");
            if (RunId{live->run} != trial_run)
                refuse("its sync with " + live->to + " was made by run " + std::to_string(live->run) +
                           " of an earlier plan",
                       "drop it in the plan that makes the sync, or write drop: { quarantine: 0s }");
        }
        return problems;
    }

    Steps compile(Catalog const& catalog, RunId run) const override {
        Table const& table = *catalog.find(table_);
        Column const& column = *table.find(column_.text());
        Ident const aside = aside_name(column_, run);
        Sync const* live = sync_from(table, column_.text());
        std::string const what = said(table_, column_.text());
        auto const alter = [&](Sql const& how) { return sql("ALTER TABLE {0} {1}", table_, how); };
        auto const alter_column = [&](Ident const& name, Sql const& how) {
            return sql("ALTER TABLE {0} ALTER COLUMN {1} {2}", table_, name, how);
        };
        Column const* to = live ? table.find(live->to) : nullptr;
        auto const marked = mark(table, run);

        auto const locks = lock_of(table_, LockMode::access_exclusive);
        auto step = ddl("set " + what + " aside as " + aside.text(), locks, {}, {});
        auto& forward = step.forward.statements;
        auto& undo = step.undo.statements;
        Steps steps;
        if (live) {
            auto const last_proof = drop_->compile(catalog, run);
            steps.push_back(last_proof.front());
            step.stands_on_proof = true;
            Mapping const now = mapping_of(table_, table, *live);
            Mapping const then = aside_mapping(now, aside);
            forward = {guard_sync(now)};
            undo = step.undo.guard = {guard_sync(then)};
            step.aside = aside;
            // A value that did not go back is counted, and none of it stands in the column aside.
            bool const all_go_back = !may_not_go_back(now);
            Sql const wrong = all_go_back ? sql("NOT {0}", ok_of(then))
                                          : sql("(pg_catalog.num_nulls({0}) = 0 AND NOT {1})", aside, ok_of(then));
            step.undo.proves = Rows{table_,
                                    {{aside.text(),
                                      {{aside, reverse_of(then)}},
                                      wrong,
                                      wrong,
                                      all_go_back ? wrong : sql("false"),
                                      {guard_sync(then)}}},
                                    key_of(table)};
            if (may_not_go_back(now)) {
                Ident const counter = lost_counter(now);
                step.undo.lost_counter = counter;
                forward.push_back(sql("CREATE SEQUENCE weir_sync.{0}", counter).by_weir());
                forward.push_back(sql("GRANT SELECT, USAGE ON SEQUENCE weir_sync.{0} TO PUBLIC", counter).by_weir());
                undo.push_back(nothing_lost(run));
            }
        }
        bool const taken = live && takes_over(table, column);
        if (taken) forward.push_back(hand_over(table_, column, *to));
        forward.push_back(note_aside(table_, column, to, taken, marked));
        forward.push_back(alter_column(column_, sql("DROP NOT NULL")));
        if (live) forward.push_back(alter_column(column_, sql("DROP DEFAULT")));
        forward.push_back(alter(sql("RENAME COLUMN {0} TO {1}", column_, aside)));
        undo.push_back(alter(sql("RENAME COLUMN {0} TO {1}", aside, column_)));
        if (live) {
            Mapping const now = mapping_of(table_, table, *live);
            Mapping const then = aside_mapping(now, aside);
            auto const said_by = [&](Mapping const& m) {
                return sql("COMMENT ON TRIGGER {0} ON {1} IS {2}", sync_names(m).last_update, table_,
                           Value{sync_comment(sync_of(m))});
            };
            append(forward, replace_with_way_back(then));
            forward.push_back(said_by(then));
            append(undo, replace_sync(now));
            undo.push_back(said_by(now));
        }
        undo.push_back(bring_back(table_, column, to, noted_aside(column, to, taken, marked)));
        if (!column.not_null) {
            steps.push_back(std::move(step));
            return steps;
        }
        // The way back to NOT NULL goes through a check, as the way there; undone in reverse order.
        Ident const check = fitting(run_prefix("weir_r", run), aside.text(), "_not_null");
        undo.push_back(alter_column(column_, sql("SET NOT NULL")));
        undo.push_back(alter(sql("DROP CONSTRAINT {0}", check)));

        auto proven = there_and_back(
            "a way back: every row of " + aside.text() + " is checked for nulls, while others read and write", {},
            under(lock_of(table_, LockMode::share_update_exclusive), {alter(sql("VALIDATE CONSTRAINT {0}", check))}));
        proven.undo.scans = true;
        auto demanded = there_and_back(
            "a way back: new values of " + aside.text() + " are not null", {},
            under(locks, {alter(sql("ADD CONSTRAINT {0} CHECK ({1} IS NOT NULL) NOT VALID", check, aside))}));
        for (auto* one : {&step, &proven, &demanded}) steps.push_back(std::move(*one));
        return steps;
    }

    void apply(Catalog& catalog, RunId run) const override {
        Table& table = *catalog.find(table_);
        auto const marked = mark(table, run);
        Ident const aside = aside_name(column_, run);
        Column& column = *table.find(column_.text());
        Column const was = column;
        std::optional<Column> to_was;
        Column* to_now = nullptr;
        bool taken = false;
        if (Sync const* live = sync_from(table, column_.text())) {
            to_now = table.find(live->to);
            to_was = *to_now;
            taken = takes_over(table, column);
            if (taken) handed_over(column, *to_now);
            column.default_expression.clear();
            column.default_is_constant = false;
            for (auto& sync : table.syncs)
                if (sync.from == column_.text()) sync.from = aside.text();
        }
        Column const* const to = to_was ? &*to_was : nullptr;
        column.name = aside.text();
        column.not_null = false;
        column.comment = noted_aside(was, to, taken, marked);
        set_aside_on_leaves(table, was, to, taken ? to_now : nullptr, marked, aside.text(), catalog.server_version);
    }

    std::vector<Touched> touches() const override { return drop_->touches(); }
    bool needs_gate(Catalog const& catalog) const override { return drop_->needs_gate(catalog); }
    std::vector<std::string> gate_notes(Catalog const& catalog) const override {
        auto notes = drop_->gate_notes(catalog);
        notes.front() = said(table_, column_.text()) + " is kept aside for " + days(quarantine_) +
                        ", and weir rollback brings it back; then it is dropped";
        return notes;
    }

  private:
    std::optional<Question> question(Catalog const& catalog) const {
        Table const* table = catalog.find(table_);
        Column const* column = table ? table->find(column_.text()) : nullptr;
        if (column == nullptr) return std::nullopt;
        return ExpressionQuestion{table_, "NULL", column->type};
    }

    std::string mark(Table const& table, RunId run) const {
        Sync const* live = sync_from(table, column_.text());
        return aside_comment({static_cast<std::int64_t>(run), column_.text(), live ? live->to : ""});
    }

    static Mapping aside_mapping(Mapping now, Ident const& aside) {
        now.from.name = aside.text();
        now.from.not_null = false;
        now.from.default_expression.clear();
        now.from.default_is_constant = false;
        return now;
    }

    /// Under the lock that keeps writers out. What was accepted stands in the ledger.
    static Sql nothing_lost(RunId run) {
        auto const number = Int{static_cast<std::int64_t>(run)};
        return sql("DO {0}", Sql::body(sql(R"(
DECLARE lost bigint; accepted bigint;
BEGIN
  SELECT coalesce(pg_catalog.sum(s.last_value), 0) INTO lost FROM pg_catalog.pg_sequences s
    WHERE s.schemaname OPERATOR(pg_catalog.=) 'weir_sync'
      AND s.sequencename OPERATOR(pg_catalog.~) '^r{0}_[0-9]+_lost$';
  SELECT coalesce((e.detail OPERATOR(pg_catalog.->>) 'accept_loss')::bigint, 0) INTO accepted FROM weir.entries e
    WHERE e.run OPERATOR(pg_catalog.=) {0} AND e.kind OPERATOR(pg_catalog.=) 'rolling_back' ORDER BY e.seq DESC LIMIT 1;
  IF lost OPERATOR(pg_catalog.<>) coalesce(accepted, 0) THEN
    RAISE EXCEPTION '% values did not go back, and % were accepted', lost, coalesce(accepted, 0) USING ERRCODE = 'WE004';
  END IF;
END
)",
                                           number)))
            .by_weir();
    }

    TableName table_;
    Ident column_;
    Place place_;
    Millis quarantine_;
    std::shared_ptr<Operation const> drop_;
};

class Purge : public Operation {
  public:
    Purge(TableName table, Ident column) : table_{std::move(table)}, column_{std::move(column)} {}

    Problems validate(Catalog const&) const override { return {}; }

    Steps compile(Catalog const& catalog, RunId run) const override {
        Table const& table = *catalog.find(table_);
        Ident const aside = aside_name(column_, run);
        auto drop = there_and_back("drop " + said(table_, aside.text()) + ", which was " + column_.text(),
                                   under(lock_of(table_, LockMode::access_exclusive), {}),
                                   nothing("none: nothing brings the values back"));
        drop.destroys = {table_};
        auto& forward = drop.forward.statements;
        if (Sync const* live = sync_from(table, aside.text())) {
            Mapping const m = mapping_of(table_, table, *live);
            drop.stands_on_proof = true;
            forward = drop_sync(m);
            if (may_not_go_back(m)) forward.push_back(sql("DROP SEQUENCE weir_sync.{0}", lost_counter(m)).by_weir());
        }
        forward.push_back(nothing_taken_along(table_, aside));
        forward.push_back(sql("ALTER TABLE {0} DROP COLUMN {1}", table_, aside));
        if (!drop.stands_on_proof) return {drop};
        Steps steps{prove(table, aside)};
        if (!has_many_leaves(table)) {
            steps.push_back(std::move(drop));
            return steps;
        }
        Mapping const m = mapping_of(table_, table, *sync_from(table, aside.text()));
        for (auto& part : purged_in_parts(std::move(drop), m)) steps.push_back(std::move(part));
        return steps;
    }

    void apply(Catalog& catalog, RunId run) const override {
        Table& table = *catalog.find(table_);
        auto const aside = aside_name(column_, run).text();
        std::erase_if(table.syncs, [&](Sync const& s) { return s.from == aside; });
        dropped_on_leaves(table, aside);
        std::erase_if(table.columns, [&](Column const& c) { return c.name == aside; });
    }

    std::vector<Touched> touches() const override { return {{table_, column_.text()}}; }

  private:
    /// A leaf of the old shape, attached since, may have values in the column aside alone.
    Step prove(Table const& table, Ident const& aside) const {
        Mapping const m = mapping_of(table_, table, *sync_from(table, aside.text()));
        Ident const to = Ident::of(m.to.name);
        Sql const wrong = sql("(pg_catalog.num_nulls({0}) = 1 AND NOT {1})", to, ok_of(m));
        Step prove;
        prove.kind = StepKind::proof;
        prove.title = "prove that nothing stands in " + said(table_, aside.text()) + " alone";
        prove.aside = aside;
        prove.rows = Rows{
            table_, {{m.to.name, {{to, forward_of(m)}}, wrong, wrong, wrong, {check_kinds(table_)}}}, key_of(table)};
        prove.forward.holds = lock_of(table_, LockMode::access_share);
        prove.undo = nothing("nothing to undo");
        return prove;
    }

    TableName table_;
    Ident column_;
};

}  // namespace

std::vector<Part> quarantine_parts(TableName table, Ident column, Phase listed, Place place, Millis quarantine) {
    return {{listed, std::make_shared<SetAside>(table, column, listed, std::move(place), quarantine)},
            {Phase::quarantine, std::make_shared<Purge>(std::move(table), std::move(column))}};
}

}  // namespace weir
