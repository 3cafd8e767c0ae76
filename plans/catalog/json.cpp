#include <boost/describe.hpp>
#include <boost/json.hpp>
#include <boost/mp11.hpp>
#include <limits>
#include <stdexcept>

#include "plans/catalog/catalog.h"
#include "plans/catalog/format_1.h"

namespace weir {

// What stands here, in this order, is the document: a member under its own name, left out where it has its default.
BOOST_DESCRIBE_STRUCT(Grant, (), (grantee, privilege, grantable))
BOOST_DESCRIBE_STRUCT(SecurityLabel, (), (provider, label))
BOOST_DESCRIBE_STRUCT(Dependent, (), (kind, identity))
BOOST_DESCRIBE_STRUCT(TableDependent, (), (what, columns, whole_row))
BOOST_DESCRIBE_STRUCT(Mention, (), (function, trigger))
BOOST_DESCRIBE_STRUCT(Column, (),
                      (name, type, collation, not_null, default_expression, default_is_constant, identity, generated,
                       storage, compression, statistics_target, options, comment, grants, labels, in_partition_key))
BOOST_DESCRIBE_STRUCT(LeafColumn, (),
                      (name, default_expression, not_null, storage, compression, statistics_target, options, comment,
                       grants))
BOOST_DESCRIBE_STRUCT(IndexStatistics, (), (number, target))
BOOST_DESCRIBE_STRUCT(Index, (),
                      (definition, method, columns, unique, primary, valid, constraint, parent, replica_identity,
                       clustered, options, statistics, tablespace, comment))
BOOST_DESCRIBE_STRUCT(Constraint, (),
                      (name, kind, definition, validated, columns, deferrable, deferred, no_inherit, local, inherited,
                       index, comment))
BOOST_DESCRIBE_STRUCT(ForeignKey, (),
                      (name, table, to, ours, theirs, definition, columns, to_columns, match, on_update, on_delete,
                       set_columns, deferrable, deferred, validated, plain, comment))
BOOST_DESCRIBE_STRUCT(Neighbour, (), (kind, owner, may_lock, refers))
BOOST_DESCRIBE_STRUCT(Trigger, (),
                      (name, definition, enabled, partition, each_row, before, on_update, on_delete, columns, function,
                       comment))
BOOST_DESCRIBE_STRUCT(Rule, (), (name, event, partition, enabled, definition, comment))
BOOST_DESCRIBE_STRUCT(Policy, (),
                      (name, partition, command, permissive, roles, using_expression, check_expression, comment))
BOOST_DESCRIBE_STRUCT(View, (), (name, materialized, depth, definition, owner, grants, options, comment, dependents))
BOOST_DESCRIBE_STRUCT(Publication, (), (name, owner, by, partition, columns, filter, operations, via_root, comment))
BOOST_DESCRIBE_STRUCT(Sequence, (),
                      (name, column, identity, type, start, increment, min, max, cache, cycle, owner, grants, comment))
BOOST_DESCRIBE_STRUCT(ExtendedStatistics, (), (name, kinds, definition, columns, target, owner, comment))
BOOST_DESCRIBE_STRUCT(EnumType, (), (labels, owner, grants, comment))
BOOST_DESCRIBE_STRUCT(Sync, (), (run, number, from, to, two_way, forward, reverse, reads, in_order))
BOOST_DESCRIBE_STRUCT(SessionSetting, (), (name, value, from, hidden))
BOOST_DESCRIBE_STRUCT(Leaf, (), (name, columns, constraints))
BOOST_DESCRIBE_STRUCT(Table, (),
                      (kind, persistence, owner, owned_by_us, parents, children, comment, grants, labels, options,
                       tablespace, access_method, replica_identity, row_security, forced_row_security, partition_key,
                       leaves, differing_leaves, columns, key, indexes, constraints, foreign_keys, triggers, syncs,
                       rules, policies, views, publications, sequences, statistics, dependents, mentions,
                       foreign_leaves, settings))
BOOST_DESCRIBE_STRUCT(PlannedColumn, (), (name, type))
BOOST_DESCRIBE_STRUCT(ExpressionQuestion, (), (table, expression, column_type, planned))
BOOST_DESCRIBE_STRUCT(MappingQuestion, (), (table, from, to, from_type, to_type, forward, reverse))
BOOST_DESCRIBE_STRUCT(QuietQuestion, (), ())
BOOST_DESCRIBE_STRUCT(DropQuestion, (), (table))
BOOST_DESCRIBE_STRUCT(SettingQuestion, (), (name, value, schemas))
BOOST_DESCRIBE_STRUCT(RoleQuestion, (), (table, role))
BOOST_DESCRIBE_STRUCT(ScratchColumn, (), (column, twin, aside, type, collation))
BOOST_DESCRIBE_STRUCT(ScratchQuestion, (), (table, columns))
BOOST_DESCRIBE_STRUCT(Definition, (), (kind, name, twin, aside))
BOOST_DESCRIBE_STRUCT(RoleAnswer, (),
                      (role, exists, roles, may_become, owns, not_owned, uses_schema, uses_plpgsql, sees_some_rows))
BOOST_DESCRIBE_STRUCT(Obstacle, (), (what, of))
BOOST_DESCRIBE_STRUCT(Belongings, (),
                      (comment, role, may_rename, may_not_refer, relations, outward, obstacles, published, mentions))
BOOST_DESCRIBE_STRUCT(Answer, (),
                      (sqlstate, error, immutable, columns, reverse_columns, null_is_value, type, calls_volatile,
                       belongings, reads_table, system_columns, by_settings, role, definitions))
BOOST_DESCRIBE_STRUCT(Catalog, (),
                      (server_version, database, lock_slots, locks_per_transaction, tables, other_relations, neighbours,
                       enums, recipes, answers, aside_tables))

namespace {

namespace json = boost::json;
namespace describe = boost::describe;

constexpr std::int64_t format = 2;

struct Wrong : std::runtime_error {
    using std::runtime_error::runtime_error;
};

/// With a name that stands for none where the type has one.
template <class T>
T blank() {
    if constexpr (std::is_same_v<T, TableName>)
        return {Ident::of("-"), Ident::of("-")};
    else if constexpr (std::is_same_v<T, ForeignKey>)
        return {.name = {}, .table = blank<TableName>(), .to = blank<TableName>()};
    else if constexpr (std::is_same_v<T, Leaf> || std::is_same_v<T, View> || std::is_same_v<T, Sequence> ||
                       std::is_same_v<T, ExtendedStatistics>)
        return {.name = blank<TableName>()};
    else if constexpr (std::is_same_v<T, ExpressionQuestion>)
        return {blank<TableName>(), {}, {}};
    else if constexpr (std::is_same_v<T, MappingQuestion>)
        return {blank<TableName>(), {}, {}, {}, {}, {}, {}};
    else if constexpr (std::is_same_v<T, DropQuestion>)
        return {blank<TableName>()};
    else if constexpr (std::is_same_v<T, RoleQuestion> || std::is_same_v<T, ScratchQuestion>)
        return {blank<TableName>(), {}};
    else if constexpr (std::is_same_v<T, Question>)
        return QuietQuestion{};
    else
        return T{};
}

template <class T>
concept Described = describe::has_describe_members<T>::value;

template <class T, class Each>
void each_member(Each const& each) {
    boost::mp11::mp_for_each<describe::describe_members<T, describe::mod_public>>(each);
}

constexpr std::array kinds{"expression", "mapping", "quiet", "drop", "setting", "role", "scratch"};
static_assert(kinds.size() == std::variant_size_v<Question>);

// ---- writing

json::value write(bool v) { return v; }
json::value write(int v) { return v; }
json::value write(std::int64_t v) { return v; }
json::value write(std::string const& v) { return json::value(v); }
json::value write(TableName const& v) { return json::array{v.schema.text(), v.name.text()}; }
template <class T>
json::value write(std::optional<T> const& v);
template <class T>
json::value write(std::vector<T> const& v);
json::value write(std::set<TableName> const& v);
json::value write(Question const& v);
template <class Key, class T>
json::value write(std::map<Key, T> const& v);
template <Described T>
json::value write(T const& v);

template <Described T>
void write_members(json::object& out, T const& v) {
    auto const absent = blank<T>();
    each_member<T>([&](auto member) {
        auto const& value = v.*member.pointer;
        bool const always = std::is_same_v<std::decay_t<decltype(value)>, TableName>;
        if (always || !(value == absent.*member.pointer)) out[member.name] = write(value);
    });
}
template <Described T>
json::value write(T const& v) {
    json::object out;
    write_members(out, v);
    return out;
}
template <class T>
json::value write(std::optional<T> const& v) {
    return v ? write(*v) : json::value{};
}
template <class T>
json::value write(std::vector<T> const& v) {
    json::array out;
    for (auto const& item : v) out.push_back(write(item));
    return out;
}
json::value write(std::set<TableName> const& v) {
    json::array out;
    for (auto const& item : v) out.push_back(write(item));
    return out;
}
json::value write(Question const& v) {
    json::object out{{"kind", kinds.at(v.index())}};
    std::visit([&](auto const& question) { write_members(out, question); }, v);
    return out;
}
/// A list of objects, the key a member of each.
template <class Key, class T>
json::value write(std::map<Key, T> const& v) {
    json::array out;
    for (auto const& [key, value] : v) {
        json::object one{{std::is_same_v<Key, Question> ? "question" : "name", write(key)}};
        if constexpr (Described<T>)
            write_members(one, value);
        else
            one["value"] = write(value);
        out.push_back(std::move(one));
    }
    return out;
}

/// What fits stands on one line; of what does not, each member has lines of its own, so that a change shows as one.
void lay_out(std::string& text, json::value const& v, std::size_t depth) {
    auto line = json::serialize(v);
    bool const fits = v.is_primitive() || (depth > 0 && line.size() + 2 * depth <= 120);
    if (fits) {
        text += line;
        return;
    }
    auto const begin = [&, first = true]() mutable {
        if (!first) text += ',';
        first = false;
        text += '\n';
        text.append(2 * depth + 2, ' ');
    };
    text += v.is_object() ? '{' : '[';
    if (v.is_object()) {
        for (auto next = begin; auto const& member : v.get_object()) {
            next();
            text += json::serialize(member.key()) + ": ";
            lay_out(text, member.value(), depth + 1);
        }
    } else {
        for (auto next = begin; auto const& item : v.get_array()) {
            next();
            lay_out(text, item, depth + 1);
        }
    }
    text += '\n';
    text.append(2 * depth, ' ');
    text += v.is_object() ? '}' : ']';
}

// ---- reading

void read(json::value const& v, std::string& out) {
    if (!v.is_string()) throw Wrong{"a text is expected"};
    out = std::string{v.get_string().data(), v.get_string().size()};
}
void read(json::value const& v, bool& out) {
    if (!v.is_bool()) throw Wrong{"true or false is expected"};
    out = v.get_bool();
}
void read(json::value const& v, std::int64_t& out) {
    if (!v.is_int64()) throw Wrong{"an integer is expected"};
    out = v.get_int64();
}
void read(json::value const& v, int& out) {
    std::int64_t wide = 0;
    read(v, wide);
    if (wide < std::numeric_limits<int>::min() || wide > std::numeric_limits<int>::max())
        throw Wrong{"the integer is out of range"};
    out = static_cast<int>(wide);
}

json::array const& array(json::value const& v) {
    if (!v.is_array()) throw Wrong{"a list is expected"};
    return v.get_array();
}

void read(json::value const& v, TableName& out) {
    auto const& parts = array(v);
    if (parts.size() != 2) throw Wrong{"[schema, name] is expected"};
    std::string schema;
    std::string name;
    read(parts[0], schema);
    read(parts[1], name);
    auto first = Ident::make(schema);
    auto second = Ident::make(name);
    if (!first || !second) throw Wrong{"not a name: " + schema + "." + name};
    out = {*std::move(first), *std::move(second)};
}

/// An object's members by name; those that nobody asked for are complained about.
class Members {
  public:
    explicit Members(json::value const& v) {
        if (!v.is_object()) throw Wrong{"an object is expected"};
        object_ = &v.get_object();
    }
    template <class T>
    bool take(char const* name, T& out);
    template <class T>
    void must(char const* name, T& out) {
        if (!take(name, out)) throw Wrong{"no member " + std::string{name}};
    }
    template <Described T>
    void rest(T& out) {
        each_member<T>([&](auto member) {
            auto& value = out.*member.pointer;
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, TableName>)
                must(member.name, value);
            else
                take(member.name, value);
        });
        end();
    }
    void end() const {
        if (taken_ != object_->size()) throw Wrong{"a member that is not known"};
    }

  private:
    json::object const* object_{};
    std::size_t taken_{};
};

template <Described T>
void read(json::value const& v, T& out) {
    Members{v}.rest(out);
}
template <class T>
void read(json::value const& v, std::vector<T>& out);
template <class T>
void read(json::value const& v, std::optional<T>& out) {
    out.reset();
    if (!v.is_null()) read(v, out.emplace(blank<T>()));
}
template <class T>
void read(json::value const& v, std::vector<T>& out) {
    for (auto const& item : array(v)) read(item, out.emplace_back(blank<T>()));
}
void read(json::value const& v, std::set<TableName>& out) {
    for (auto const& item : array(v)) {
        auto name = blank<TableName>();
        read(item, name);
        out.insert(std::move(name));
    }
}
void read(json::value const& v, Question& out) {
    Members members{v};
    std::string kind;
    members.must("kind", kind);
    boost::mp11::mp_for_each<boost::mp11::mp_iota_c<kinds.size()>>([&](auto i) {
        if (kind != kinds[i]) return;
        auto question = blank<std::variant_alternative_t<i, Question>>();
        members.rest(question);
        out = std::move(question);
        kind.clear();
    });
    if (!kind.empty()) throw Wrong{"no such question: " + kind};
}
template <class Key, class T>
void read(json::value const& v, std::map<Key, T>& out) {
    for (auto const& item : array(v)) {
        Members members{item};
        auto key = blank<Key>();
        auto value = blank<T>();
        members.must(std::is_same_v<Key, Question> ? "question" : "name", key);
        if constexpr (Described<T>) {
            members.rest(value);
        } else {
            members.must("value", value);
            members.end();
        }
        if (!out.emplace(std::move(key), std::move(value)).second) throw Wrong{"one stands there twice"};
    }
}

template <class T>
bool Members::take(char const* name, T& out) {
    auto const* found = object_->if_contains(name);
    if (found == nullptr) return false;
    ++taken_;
    try {
        read(*found, out);
    } catch (Wrong const& wrong) {
        throw Wrong{std::string{name} + ": " + wrong.what()};
    }
    return true;
}

json::value parsed(std::string_view text) {
    json::error_code error;
    auto value = json::parse(json::string_view{text.data(), text.size()}, error);
    if (error) throw Wrong{error.message()};
    return value;
}

template <class T>
std::variant<T, Problem> read_document(std::string_view text, std::string_view what, auto const& read_it) {
    try {
        auto out = blank<T>();
        read_it(parsed(text), out);
        return out;
    } catch (Wrong const& wrong) {
        return Problem{Code::bad_value, {}, std::string{what} + " cannot be read: " + wrong.what(), ""};
    }
}

}  // namespace

std::variant<Belongings, Problem> belongings_from_json(std::string_view text) {
    return read_document<Belongings>(text, "the server's answer",
                                     [](json::value const& v, Belongings& out) { read(v, out); });
}

std::variant<RoleAnswer, Problem> role_from_json(std::string_view text) {
    return read_document<RoleAnswer>(text, "the server's answer",
                                     [](json::value const& v, RoleAnswer& out) { read(v, out); });
}

std::variant<std::vector<Definition>, Problem> definitions_from_json(std::string_view text) {
    return read_document<std::vector<Definition>>(
        text, "the server's answer", [](json::value const& v, std::vector<Definition>& out) { read(v, out); });
}

std::string to_json(Catalog const& catalog) {
    json::object document{{"format", format}};
    write_members(document, catalog);
    std::string text;
    lay_out(text, document, 0);
    return text + "\n";
}

std::variant<Catalog, Problem> catalog_from_json(std::string_view text) {
    return read_document<Catalog>(text, "the catalog snapshot", [](json::value const& v, Catalog& out) {
        auto document = v;
        std::int64_t found = 0;
        Members{document}.must("format", found);
        if (found < 1 || found > format)
            throw Wrong{"it has format " + std::to_string(found) + ", and this weir reads 1 to " +
                        std::to_string(format)};
        if (found == 1 && !from_format_1(document)) throw Wrong{"it is not what its format says"};
        Members members{document};
        members.must("format", found);
        members.rest(out);
        // The prefix of their names is not enough.
        std::erase_if(out.aside_tables,
                      [](auto const& one) { return !aside_of(one.first.name.text(), one.second).has_value(); });
    });
}

}  // namespace weir
