// What a plan is known by. A run that lives is continued by these hashes: they may never change for a plan that an
// earlier version could read. Add to the table; never mend a line of it.
#include <gtest/gtest.h>

#include "phases/operations.h"
#include "plans/reader.h"

namespace weir {
namespace {

struct Case {
    std::string_view text;
    std::string_view hash;
};

TEST(Identity, OfAPlanStaysWhatItWas) {
    for (auto const& [text, hash] : {
             Case{R"yaml(changes:
  - rename_column: { table: users, from: name, to: full_name }
)yaml",
                  "7622014a-3473-5e38-9a63-72efa6a4b6be"},
             Case{R"yaml(changes:
  - rename_column: { table: [shop, a.b], from: 'say "hi"', to: ÄÖ }
  - rename_column: { table: shop.orders, from: a, to: b }
gates: { contract: manual }
drop: { quarantine: 7d }
approvals: 2
backup: { directory: /var/backups }
fire_triggers: no
settings: { timezone: Europe/Berlin, search_path: [app, $user, public] }
batch: { target: 1s, workers: 2 }
)yaml",
                  "9f2de3bd-b9f6-5588-85d5-2d6295f8bce4"},
             Case{R"yaml(expand:
  - add_column:   { table: users, column: full_name, type: "numeric(10,2)" }
  - sync_columns: { table: users, from: name, to: full_name, forward: upper(name), reverse: lower(full_name) }
  - sync_columns: { table: users, from: a, to: b }
backfill:
  - fill:         { table: users, set: { full_name: name, b: "'it''s'", a: "E'\\t'" }, where: not archived }
  - fill:         { table: users, set: { city: a.city }, from: shop.a, on: a.id = users.id }
  - delete_rows:  { table: logs, where: "at < now() - interval '1 year'" }
  - set_not_null: { table: users, column: full_name }
contract:
  - drop_column:  { table: users, column: name }
  - drop_table:   { table: old }
gates: { contract: { after: 24h } }
)yaml",
                  "ca4df33d-756e-50b4-8a79-3e1d748bbe20"},
             Case{R"yaml(contract:
  - drop_column: { column: c, table: t }
gates: { contract: { until_sql: "select true" } }
)yaml",
                  "5ca9787b-8c0f-5d31-8d2b-7151e34b2543"},
         }) {
        auto const read = read_plan("weir: 1\nname: x\n" + std::string{text}, "plan.yaml", operations());
        if (auto const* problems = std::get_if<Problems>(&read)) {
            ADD_FAILURE() << to_text(*problems);
            continue;
        }
        auto const& identity = std::get<Plan>(read).identity;
        EXPECT_EQ(fingerprint(identity), hash) << identity;
    }
}

}  // namespace
}  // namespace weir
