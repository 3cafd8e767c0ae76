// Every kind of field, by tables: what is taken and what becomes of it in the canonical text, what is refused and
// where, its piece of the JSON Schema, and its rows in the docs.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <set>

#include "golden.h"
#include "phases/operations.h"
#include "plans/field.h"
#include "plans/kinds.h"
#include "plans/reader.h"
#include "table.h"

namespace weir {
namespace {

namespace json = boost::json;

std::variant<Plan, Problems> read_field(std::string_view field, std::string_view written) {
    return read_plan(
        "weir: 1\nname: x\nexpand:\n  - try:\n      " + std::string{field} + ": " + std::string{written} + "\n",
        "plan.yaml", test::every_kind());
}

/// The canonical text of the operation's fields; its problems when it is refused.
std::string canonical(std::string_view field, std::string_view written) {
    auto const read = read_field(field, written);
    if (auto const* problems = std::get_if<Problems>(&read)) return to_text(*problems);
    auto const whole = json::parse(std::get<Plan>(read).identity);
    return json::serialize(whole.at("expand").at(0).at("try"));
}

FieldValues values_of(std::string_view field, std::string_view written) {
    auto const read = read_field(field, written);
    if (auto const* problems = std::get_if<Problems>(&read)) {
        ADD_FAILURE() << to_text(*problems);
        return {};
    }
    return dynamic_cast<test::Dummy const&>(*std::get<Plan>(read).parts.at(0).operation).values;
}

struct Good {
    std::string_view field, written;
    std::string_view canonical;  ///< of the field; empty: it leaves no trace
};

class GoodValue : public testing::TestWithParam<Good> {};

TEST_P(GoodValue, HasItsCanonicalTextAndReadsTheSameAgain) {
    auto const& [field, written, text] = GetParam();
    auto const name = json::serialize(json::string{field});
    auto const expected = text.empty() ? "{}" : "{" + name + ":" + std::string{text} + "}";
    EXPECT_EQ(canonical(field, written), expected) << written;
    // JSON is YAML.
    if (!text.empty()) {
        EXPECT_EQ(canonical(field, text), expected) << text;
    }
}

constexpr Good good[] = {
    {"table", "users", R"j(["public","users"])j"},
    {"table", "[shop, a.b]", R"j(["shop","a.b"])j"},
    {"column", "ÄÖ", R"j("ÄÖ")j"},
    {"type", "'numeric(10,2)'", R"j("numeric(10,2)")j"},
    {"expression", "upper(name)", R"j("upper(name)")j"},
    {"assignments", "{ b: 2, a: 'x || y' }", R"j({"a":"x || y","b":"2"})j"},
    {"flag", "yes", "true"},
    {"flag", "true", "true"},
    {"flag", "no", ""},
    {"flag", "false", ""},
    {"flag_on", "no", "false"},
    {"flag_on", "yes", ""},
    {"word", "hash", R"j("hash")j"},
    {"word", "'hash'", R"j("hash")j"},
    {"word", "btree", ""},
    {"free_word", "btree", R"j("btree")j"},
    {"text", "say \"hi\"", R"j("say \"hi\"")j"},
    {"text", "''", R"j("")j"},
    {"text", "1", R"j("1")j"},
    {"text", "\"null\"", R"j("null")j"},
    {"text", "|\n        one\n        two", R"j("one\ntwo\n")j"},
    {"number", "70", "70"},
    {"number", "'70'", "70"},
    {"number", "10", "10"},
    {"number", "100", ""},
    {"free_number", "-9223372036854775808", "-9223372036854775808"},
    {"free_number", "9223372036854775807", "9223372036854775807"},
    {"names", "[b, a]", R"j(["b","a"])j"},
    {"names", "a.b", R"j(["a.b"])j"},
    {"names", "\n        - a\n        - \"null\"", R"j(["a","null"])j"},
    {"values", "[new, 'on hold', 1, '']", R"j(["new","on hold","1",""])j"},
    {"values", "new", R"j(["new"])j"},
    {"statement", "select 1", R"j("select 1")j"},
    {"statement", "|\n        select 1; -- done\n", R"j("select 1")j"},
    {"statement", "\"create function f() returns int begin atomic select 1; select 2; end;\"",
     R"j("create function f() returns int begin atomic select 1; select 2; end")j"},
    {"statement", "copy t from '/data/t'", R"j("copy t from '/data/t'")j"},
    {"parameters", "{ fillfactor: 70, autovacuum_enabled: off }",
     R"j({"autovacuum_enabled":"off","fillfactor":"70"})j"},
    {"qualified_name", "en_US.utf8", R"j("en_US.utf8")j"},
    {"qualified_name", "[pg_catalog, C]", R"j(["pg_catalog","C"])j"},
    {"operator_class", "gin_trgm_ops", R"j({"name":"gin_trgm_ops"})j"},
    {"operator_class", "[extensions, vector_ops]", R"j({"name":["extensions","vector_ops"]})j"},
    {"operator_class", "{ name: gist_trgm_ops, parameters: { siglen: 32 } }",
     R"j({"name":"gist_trgm_ops","parameters":{"siglen":"32"}})j"},
    {"index_parts", "a", R"j([{"column":"a"}])j"},
    {"index_parts", "[b, a]", R"j([{"column":"b"},{"column":"a"}])j"},
    {"index_parts", "{ expression: lower(email) }", R"j([{"expression":"lower(email)"}])j"},
    {"index_parts", "[ { column: a, order: asc, nulls: last }, { column: b, order: desc, nulls: first } ]",
     R"j([{"column":"a"},{"column":"b","order":"desc"}])j"},
    {"index_parts", "[ { column: a, nulls: first }, { column: b, order: desc, nulls: last } ]",
     R"j([{"column":"a","nulls":"first"},{"column":"b","nulls":"last","order":"desc"}])j"},
    {"index_parts", "[ { column: a, collation: en_US.utf8, opclass: text_pattern_ops } ]",
     R"j([{"collation":"en_US.utf8","column":"a","opclass":{"name":"text_pattern_ops"}}])j"},
    {"column_specs", "[ { name: id, type: bigint, identity: always, primary_key: yes } ]",
     R"j([{"identity":"always","name":"id","primary_key":true,"type":"bigint"}])j"},
    {"column_specs", "{ name: a, type: text, not_null: no, unique: true, check: a <> '', comment: x }",
     R"j([{"check":"a <> ''","comment":"x","name":"a","type":"text","unique":true}])j"},
    {"column_specs", "[ { name: a, type: text, references: users, collation: C }, { name: b, type: int, default: 0 } ]",
     R"j([{"collation":"C","name":"a","references":{"table":["public","users"]},"type":"text"},{"default":"0","name":"b","type":"int"}])j"},
    {"column_specs", "[ { name: a, type: int, generated: b + 1, not_null: yes } ]",
     R"j([{"generated":"b + 1","name":"a","not_null":true,"type":"int"}])j"},
    {"reference", "shop.users", R"j({"table":["shop","users"]})j"},
    {"reference", "[shop, users]", R"j({"table":["shop","users"]})j"},
    {"reference", "{ table: users, columns: id, on_delete: no_action, match: simple, deferrable: no }",
     R"j({"columns":["id"],"table":["public","users"]})j"},
    {"reference",
     "{ table: users, columns: [a, b], on_delete: cascade, on_update: set_null, match: full, deferrable: deferred }",
     R"j({"columns":["a","b"],"deferrable":"deferred","match":"full","on_delete":"cascade","on_update":"set_null","table":["public","users"]})j"},
};

INSTANTIATE_TEST_SUITE_P(Kinds, GoodValue, testing::ValuesIn(good), [](auto const& each) {
    return std::string{each.param.field} + "_" + std::to_string(each.index);
});

TEST(Kinds, EachHasOneRowAndIsTried) {
    std::set<FieldKind> rows;
    for (auto const& kind : kinds()) EXPECT_TRUE(rows.insert(kind.kind).second) << kind.name;
    std::set<FieldKind> tried;
    for (auto const& field : test::every_kind().front().fields)
        if (std::any_of(std::begin(good), std::end(good), [&](Good const& each) { return each.field == field.name; }))
            tried.insert(field.kind);
    EXPECT_EQ(tried, rows);
    EXPECT_EQ(rows.size(), static_cast<std::size_t>(FieldKind::reference) + 1) << "reference is the last kind";
}

TEST(Kinds, AFieldThatIsLeftOutIsWhatItsStandardSays) {
    auto const values = values_of("text", "x");
    EXPECT_FALSE(values.get<bool>("flag"));
    EXPECT_TRUE(values.get<bool>("flag_on"));
    EXPECT_EQ(values.get<Word>("word").text, "btree");
    EXPECT_EQ(values.get<std::int64_t>("number"), 100);
    EXPECT_EQ(values.find<Word>("free_word"), nullptr);
    EXPECT_EQ(values.find<std::int64_t>("free_number"), nullptr);
    EXPECT_EQ(values.given<std::string>("text"), "x");
    EXPECT_EQ(values.given<std::vector<Ident>>("names"), std::nullopt);
}

TEST(Kinds, AWordIsAnEnumeratorByItsPlace) {
    enum class Method { btree, hash, gin };
    EXPECT_EQ(values_of("word", "gin").word<Method>("word"), Method::gin);
    EXPECT_EQ(values_of("text", "x").word<Method>("word"), Method::btree);
}

TEST(Kinds, AnIndexPartKnowsAllOfIt) {
    auto const values = values_of("index_parts",
                                  "[ a, { column: b, order: desc }, { expression: lower(c), opclass: { name: [x, ops], "
                                  "parameters: { siglen: 8 } }"
                                  ", collation: [x, C], nulls: first } ]");
    auto const& records = values.get<Records>("index_parts");
    ASSERT_EQ(records.size(), 3U);
    using Order = IndexPartSpec::Order;
    using Nulls = IndexPartSpec::Nulls;
    auto const a = IndexPartSpec::of(*records[0]);
    EXPECT_EQ(std::get<Ident>(a.what).text(), "a");
    EXPECT_EQ(a.order, Order::asc);
    EXPECT_EQ(a.nulls, Nulls::last);
    EXPECT_FALSE(a.opclass || a.collation);
    auto const b = IndexPartSpec::of(*records[1]);
    EXPECT_EQ(b.order, Order::desc);
    EXPECT_EQ(b.nulls, Nulls::first);
    auto const c = IndexPartSpec::of(*records[2]);
    EXPECT_EQ(std::get<UserExpr>(c.what).text(), "lower(c)");
    EXPECT_EQ(sql("{0} {1}", c.opclass.value().name, c.collation.value()).text(), R"("x"."ops" "x"."C")");
    ASSERT_EQ(c.opclass->parameters.size(), 1U);
    EXPECT_EQ(c.opclass->parameters[0].second, "8");
    EXPECT_EQ(c.nulls, Nulls::first);
    EXPECT_EQ(records[1]->place, (Place{"plan.yaml", 5, 25}));
    EXPECT_EQ(records[1]->place_of("order"), (Place{"plan.yaml", 5, 45}));
    EXPECT_EQ(records[1]->place_of("nulls"), records[1]->place);
}

TEST(Kinds, AReferenceKnowsAllOfIt) {
    using Action = ReferenceSpec::Action;
    auto const plain = ReferenceSpec::of(*values_of("reference", "users").get<Record>("reference"));
    EXPECT_EQ(plain.table.text(), "users");
    EXPECT_TRUE(plain.columns.empty());
    EXPECT_EQ(plain.on_delete, Action::no_action);
    EXPECT_EQ(plain.on_update, Action::no_action);
    EXPECT_EQ(plain.match, ReferenceSpec::Match::simple);
    EXPECT_EQ(plain.deferrable, ReferenceSpec::Deferrable::no);
    auto const full = ReferenceSpec::of(*values_of("reference",
                                                   "{ table: users, columns: [a, b], on_delete: set_default, "
                                                   "on_update: restrict, match: full, deferrable: immediate }")
                                             .get<Record>("reference"));
    EXPECT_EQ(full.columns.size(), 2U);
    EXPECT_EQ(full.on_delete, Action::set_default);
    EXPECT_EQ(full.on_update, Action::restrict);
    EXPECT_EQ(full.match, ReferenceSpec::Match::full);
    EXPECT_EQ(full.deferrable, ReferenceSpec::Deferrable::immediate);
}

TEST(Kinds, AColumnKnowsAllOfIt) {
    auto const values = values_of("column_specs", R"(
        - { name: id, type: bigint, identity: by_default, primary_key: yes }
        - { name: a, type: text, not_null: yes, unique: yes, default: "''", check: a <> 'x', collation: C,
            references: { table: users, on_delete: cascade }, comment: "" }
        - { name: b, type: text, generated: upper(a) })");
    std::vector<ColumnSpec> columns;
    for (auto const& record : values.get<Records>("column_specs")) columns.push_back(ColumnSpec::of(*record));
    ASSERT_EQ(columns.size(), 3U);
    EXPECT_EQ(columns[0].name.text(), "id");
    EXPECT_EQ(columns[0].type.text(), "bigint");
    EXPECT_EQ(columns[0].identity, ColumnSpec::Identity::by_default);
    EXPECT_TRUE(columns[0].primary_key);
    EXPECT_FALSE(columns[0].not_null || columns[0].unique || columns[0].default_value || columns[0].references);
    EXPECT_TRUE(columns[1].not_null && columns[1].unique && !columns[1].primary_key && !columns[1].identity);
    EXPECT_EQ(columns[1].default_value.value().text(), "''");
    EXPECT_EQ(columns[1].check.value().text(), "a <> 'x'");
    EXPECT_EQ(columns[1].collation.value().name.text(), "C");
    EXPECT_EQ(columns[1].references.value().on_delete, ReferenceSpec::Action::cascade);
    EXPECT_EQ(columns[1].comment, "");
    EXPECT_EQ(columns[2].generated.value().text(), "upper(a)");
}

TEST(Kinds, EachHasItsPieceOfTheSchema) {
    auto const whole = json::parse(plan_schema(test::every_kind()));
    std::string text;
    for (auto const& [name, definition] : whole.at("$defs").as_object())
        if (name != "changes" && name != "window" && name != "duration" && name != "primitives")
            text += std::string{name} + "\n  " + json::serialize(definition) + "\n";
    auto const& fields = whole.at("$defs").at("primitives").at("items").at("properties").at("try").at("properties");
    for (auto const& [name, field] : fields.as_object())
        text += "try." + std::string{name} + "\n  " + json::serialize(field) + "\n";
    test::expect_golden(std::string{WEIR_SOURCE_DIR} + "/tests/plans/kinds.schema.txt", text);
}

TEST(Kinds, EachHasItsRowInTheDocs) {
    test::expect_golden(std::string{WEIR_SOURCE_DIR} + "/tests/plans/kinds.md",
                        field_table(test::every_kind().front()) + "\n" + kind_table(test::every_kind()));
}

/// The page holds the text between two comments.
void expect_part(std::string const& file, std::string const& part, std::string const& text) {
    auto const path = std::string{WEIR_SOURCE_DIR} + "/docs/" + file;
    auto const page = test::slurp(path);
    auto const first = "<!-- " + part + " -->\n";
    auto const begin = page.find(first);
    auto const end = page.find("<!-- end of " + part + " -->\n");
    ASSERT_TRUE(begin != std::string::npos && end != std::string::npos && begin < end) << path;
    test::expect_golden(path, page.substr(0, begin + first.size()) + text + page.substr(end));
}

TEST(Docs, HaveTheFieldsOfEachOperation) {
    for (auto const& operation : weir::operations())
        expect_part("operations/" + std::string{operation.name} + ".md", "fields", field_table(operation));
    expect_part("plan.md", "kinds", kind_table(weir::operations()));
}

}  // namespace
}  // namespace weir
