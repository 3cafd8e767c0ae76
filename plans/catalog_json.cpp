#include <boost/json.hpp>
#include <limits>
#include <stdexcept>

#include "plans/catalog.h"

namespace weir {
namespace {

namespace json = boost::json;

// ---- writing: an ordered tree of our own text, one member a line, so that golden files can be read and diffed
// --------

class Writer {
  public:
    std::string text;

    void string(std::string_view value) { text += json::serialize(json::string_view{value.data(), value.size()}); }
    void value(std::string const& v) { string(v); }
    void value(bool v) { text += v ? "true" : "false"; }
    void value(int v) { text += std::to_string(v); }
    void value(std::int64_t v) { text += std::to_string(v); }
    void value(std::optional<std::string> const& v) {
        if (v)
            string(*v);
        else
            text += "null";
    }
    template <class T>
    void value(std::vector<T> const& v) {
        list(v, [&](T const& item) { value(item); });
    }
    template <class Items, class Item>
    void list(Items const& items, Item const& item) {
        open('[');
        for (auto const& one : items) {
            next();
            item(one);
        }
        close(']');
    }
    template <class Members>
    void object(Members const& members) {
        open('{');
        members();
        close('}');
    }
    template <class T>
    void member(std::string_view name, T const& v) {
        key(name);
        value(v);
    }
    void key(std::string_view name) {
        next();
        string(name);
        text += ": ";
    }

    void value(TableName const& v) {
        // On one line: there are many, and they are short.
        text += '[';
        string(v.schema.text());
        text += ", ";
        string(v.name.text());
        text += ']';
    }
    void value(Grant const& v) {
        object([&] {
            member("grantee", v.grantee);
            member("privilege", v.privilege);
            member("grantable", v.grantable);
        });
    }
    void value(Dependent const& v) {
        object([&] {
            member("kind", v.kind);
            member("identity", v.identity);
        });
    }
    void value(Column const& v) {
        object([&] {
            member("name", v.name);
            member("type", v.type);
            member("collation", v.collation);
            member("not_null", v.not_null);
            member("default", v.default_expression);
            member("default_is_constant", v.default_is_constant);
            member("identity", v.identity);
            member("generated", v.generated);
            member("storage", v.storage);
            member("compression", v.compression);
            member("statistics_target", v.statistics_target);
            member("options", v.options);
            member("comment", v.comment);
            member("grants", v.grants);
            member("in_partition_key", v.in_partition_key);
            member("dependents", v.dependents);
        });
    }
    void value(Constraint const& v) {
        object([&] {
            member("name", v.name);
            member("kind", v.kind);
            member("definition", v.definition);
            member("validated", v.validated);
            member("columns", v.columns);
        });
    }
    void value(Trigger const& v) {
        object([&] {
            member("name", v.name);
            member("definition", v.definition);
            member("enabled", v.enabled);
            member("partition", v.partition);
            member("each_row", v.each_row);
            member("before", v.before);
            member("on_update", v.on_update);
            member("on_delete", v.on_delete);
            member("columns", v.columns);
            member("function", v.function);
        });
    }
    void value(Rule const& v) {
        object([&] {
            member("name", v.name);
            member("event", v.event);
            member("partition", v.partition);
        });
    }
    void value(ForeignKey const& v) {
        object([&] {
            member("name", v.name);
            member("table", v.table);
            member("refers_to_us", v.refers_to_us);
            member("on_delete", v.on_delete);
            member("columns", v.columns);
        });
    }
    void value(Sync const& v) {
        object([&] {
            member("run", v.run);
            member("number", v.number);
            member("from", v.from);
            member("to", v.to);
            member("two_way", v.two_way);
            member("forward", v.forward);
            member("reverse", v.reverse);
            member("reads", v.reads);
            if (v.in_order) member("in_order", v.in_order);
        });
    }
    void value(Reference const& v) {
        object([&] {
            member("name", v.name);
            member("table", v.table);
            member("to", v.to);
            member("definition", v.definition);
            member("columns", v.columns);
            member("to_columns", v.to_columns);
            member("match", v.match);
            member("on_update", v.on_update);
            member("on_delete", v.on_delete);
            member("set_columns", v.set_columns);
            member("deferrable", v.deferrable);
            member("deferred", v.deferred);
            member("validated", v.validated);
            member("plain", v.plain);
            member("to_partitioned", v.to_partitioned);
            member("may_lock", v.may_lock);
            member("may_refer", v.may_refer);
            member("comment", v.comment);
            if (!v.to_refers.empty()) member("to_refers", v.to_refers);
        });
    }
    void value(SessionSetting const& v) {
        object([&] {
            member("name", v.name);
            member("value", v.value);
            member("from", v.from);
            if (v.hidden) member("hidden", v.hidden);
        });
    }
    void value(Obstacle const& v) {
        object([&] {
            member("kind", v.what.kind);
            member("identity", v.what.identity);
            if (v.of) member("of", *v.of);
        });
    }
    void value(Belongings const& v) {
        object([&] {
            member("comment", v.comment);
            member("may_rename", v.may_rename);
            member("relations", v.relations);
            member("outward", v.outward);
            member("obstacles", v.obstacles);
            member("references", v.references);
            member("published", v.published);
            member("mentions", v.mentions);
        });
    }
    void table(TableName const& name, Table const& v) {
        object([&] {
            member("table", name);
            member("kind", v.kind);
            member("persistence", v.persistence);
            member("owner", v.owner);
            member("owned_by_us", v.owned_by_us);
            if (!v.parents.empty()) member("parents", v.parents);
            if (!v.children.empty()) member("children", v.children);
            if (v.leaves != 0) member("leaves", v.leaves);
            member("columns", v.columns);
            member("key", v.key);
            key("indexes");
            list(v.indexes, [&](auto const& index) {
                object([&] {
                    member("name", index.first);
                    member("definition", index.second.definition);
                    member("method", index.second.method);
                    member("columns", index.second.columns);
                });
            });
            member("constraints", v.constraints);
            member("foreign_keys", v.foreign_keys);
            member("triggers", v.triggers);
            member("syncs", v.syncs);
            if (!v.rules.empty()) member("rules", v.rules);
            if (!v.foreign_leaves.empty()) member("foreign_leaves", v.foreign_leaves);
            if (!v.settings.empty()) member("settings", v.settings);
        });
    }
    void answer(Question const& question, Answer const& v) {
        object([&] {
            if (auto const* expression = std::get_if<ExpressionQuestion>(&question)) {
                member("question", std::string{"expression"});
                member("table", expression->table);
                member("expression", expression->expression);
                member("column_type", expression->column_type);
                key("planned");
                list(expression->planned, [&](PlannedColumn const& column) {
                    object([&] {
                        member("name", column.name);
                        member("type", column.type);
                    });
                });
            } else if (auto const* mapping = std::get_if<MappingQuestion>(&question)) {
                member("question", std::string{"mapping"});
                member("table", mapping->table);
                member("from", mapping->from);
                member("to", mapping->to);
                member("from_type", mapping->from_type);
                member("to_type", mapping->to_type);
                member("forward", mapping->forward);
                member("reverse", mapping->reverse);
            } else if (auto const* drop = std::get_if<DropQuestion>(&question)) {
                member("question", std::string{"drop"});
                member("table", drop->table);
            } else if (auto const* setting = std::get_if<SettingQuestion>(&question)) {
                member("question", std::string{"setting"});
                member("name", setting->name);
                member("value", setting->value);
                member("schemas", setting->schemas);
            } else {
                member("question", std::string{"quiet"});
            }
            member("sqlstate", v.sqlstate);
            member("error", v.error);
            member("immutable", v.immutable);
            member("calls_volatile", v.calls_volatile);
            member("columns", v.columns);
            member("reverse_columns", v.reverse_columns);
            member("null_is_value", v.null_is_value);
            member("type", v.type);
            if (v.belongings) member("belongings", *v.belongings);
            if (!v.reads_table.empty()) member("reads_table", v.reads_table);
            if (!v.system_columns.empty()) member("system_columns", v.system_columns);
            if (!v.by_settings.empty()) member("by_settings", v.by_settings);
        });
    }

  private:
    int depth_{};
    bool empty_{true};

    void open(char bracket) {
        text += bracket;
        ++depth_;
        empty_ = true;
    }
    void next() {
        if (!empty_) text += ',';
        empty_ = false;
        line();
    }
    void close(char bracket) {
        --depth_;
        if (!empty_) line();
        empty_ = false;
        text += bracket;
    }
    void line() {
        text += '\n';
        text.append(static_cast<std::size_t>(depth_) * 2, ' ');
    }
};

// ---- reading: every member must be there, and no other -------------------------------------------------------------

struct Wrong : std::runtime_error {
    using std::runtime_error::runtime_error;
};

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
void read(json::value const& v, std::optional<std::string>& out) {
    if (v.is_null()) {
        out.reset();
    } else {
        read(v, out.emplace());
    }
}

json::array const& array(json::value const& v) {
    if (!v.is_array()) throw Wrong{"a list is expected"};
    return v.get_array();
}

void read(json::value const& v, Grant& out);
void read(json::value const& v, Dependent& out);
void read(json::value const& v, Column& out);
void read(json::value const& v, Constraint& out);
void read(json::value const& v, Trigger& out);
void read(json::value const& v, Sync& out);
void read(json::value const& v, Rule& out);
void read(json::value const& v, Obstacle& out);
void read(json::value const& v, SessionSetting& out);
template <class T>
void read(json::value const& v, std::vector<T>& out);

/// Goes through an object's members by name, and complains about those that nobody asked for.
class Members {
  public:
    explicit Members(json::value const& v) {
        if (!v.is_object()) throw Wrong{"an object is expected"};
        object_ = &v.get_object();
    }
    json::value const& at(std::string_view name) {
        auto const* found = object_->if_contains(json::string_view{name.data(), name.size()});
        if (found == nullptr) throw Wrong{"no member " + std::string{name}};
        ++asked_;
        return *found;
    }
    template <class T>
    Members& operator()(std::string_view name, T& out) {
        auto const& found = at(name);
        try {
            read(found, out);
        } catch (Wrong const& wrong) {
            throw Wrong{std::string{name} + ": " + wrong.what()};
        }
        return *this;
    }
    bool has(std::string_view name) const { return object_->contains(json::string_view{name.data(), name.size()}); }
    /// One that is left out where there is nothing to say.
    template <class T>
    Members& if_there(std::string_view name, T& out) {
        return has(name) ? (*this)(name, out) : *this;
    }
    void end() const {
        if (asked_ != object_->size()) throw Wrong{"a member that is not known"};
    }

  private:
    json::object const* object_{};
    std::size_t asked_{};
};

TableName table_name(json::value const& v) {
    auto const& parts = array(v);
    if (parts.size() != 2) throw Wrong{"[schema, name] is expected"};
    std::string schema;
    std::string name;
    read(parts[0], schema);
    read(parts[1], name);
    auto first = Ident::make(schema);
    auto second = Ident::make(name);
    if (!first || !second) throw Wrong{"not a name: " + schema + "." + name};
    return {*std::move(first), *std::move(second)};
}

template <class T>
void read(json::value const& v, std::vector<T>& out) {
    for (auto const& item : array(v)) read(item, out.emplace_back());
}

void read(json::value const& v, Grant& out) {
    Members{v}("grantee", out.grantee)("privilege", out.privilege)("grantable", out.grantable).end();
}
void read(json::value const& v, Dependent& out) { Members{v}("kind", out.kind)("identity", out.identity).end(); }
void read(json::value const& v, Column& out) {
    Members{v}("name", out.name)("type", out.type)("collation", out.collation)("not_null", out.not_null)(
        "default", out.default_expression)("default_is_constant", out.default_is_constant)("identity", out.identity)(
        "generated", out.generated)("storage", out.storage)("compression", out.compression)(
        "statistics_target", out.statistics_target)("options", out.options)("comment", out.comment)(
        "grants", out.grants)("in_partition_key", out.in_partition_key)("dependents", out.dependents)
        .end();
}
void read(json::value const& v, Constraint& out) {
    Members{v}("name", out.name)("kind", out.kind)("definition", out.definition)("validated", out.validated)(
        "columns", out.columns)
        .end();
}
void read(json::value const& v, Trigger& out) {
    Members{v}("name", out.name)("definition", out.definition)("enabled", out.enabled)("partition", out.partition)(
        "each_row", out.each_row)("before", out.before)("on_update", out.on_update)("on_delete", out.on_delete)(
        "columns", out.columns)("function", out.function)
        .end();
}
void read(json::value const& v, Obstacle& out) {
    Members members{v};
    members("kind", out.what.kind)("identity", out.what.identity);
    if (members.has("of")) out.of = table_name(members.at("of"));
    members.end();
}

Reference reference(json::value const& v) {
    Members members{v};
    Reference out{.name = {}, .table = table_name(members.at("table")), .to = table_name(members.at("to"))};
    members("name", out.name)("definition", out.definition)("columns", out.columns)("to_columns", out.to_columns)(
        "match", out.match)("on_update", out.on_update)("on_delete", out.on_delete)("set_columns", out.set_columns)(
        "deferrable", out.deferrable)("deferred", out.deferred)("validated", out.validated)("plain", out.plain)(
        "to_partitioned", out.to_partitioned)("may_lock", out.may_lock)("may_refer", out.may_refer)("comment",
                                                                                                    out.comment);
    if (members.has("to_refers"))
        for (auto const& item : array(members.at("to_refers"))) out.to_refers.push_back(table_name(item));
    members.end();
    return out;
}

Belongings belongings(json::value const& v) {
    Members members{v};
    Belongings out;
    members("comment", out.comment)("may_rename", out.may_rename)("outward", out.outward)("obstacles", out.obstacles)(
        "published", out.published)("mentions", out.mentions);
    for (auto const& item : array(members.at("relations"))) out.relations.push_back(table_name(item));
    for (auto const& item : array(members.at("references"))) out.references.push_back(reference(item));
    members.end();
    return out;
}

void read(json::value const& v, Rule& out) {
    Members{v}("name", out.name)("event", out.event)("partition", out.partition).end();
}
void read(json::value const& v, Sync& out) {
    Members{v}("run", out.run)("number", out.number)("from", out.from)("to", out.to)("two_way", out.two_way)(
        "forward", out.forward)("reverse", out.reverse)("reads", out.reads)
        .if_there("in_order", out.in_order)
        .end();
}

void read(json::value const& v, SessionSetting& out) {
    Members{v}("name", out.name)("value", out.value)("from", out.from).if_there("hidden", out.hidden).end();
}

std::pair<TableName, Table> table(json::value const& v) {
    Members members{v};
    auto name = table_name(members.at("table"));
    Table out;
    members("kind", out.kind)("persistence", out.persistence)("owner", out.owner)("owned_by_us", out.owned_by_us)(
        "columns", out.columns)("key", out.key);
    for (auto const& item : array(members.at("indexes"))) {
        std::string name_of_index;
        Index index;
        Members{item}("name", name_of_index)("definition", index.definition)("method", index.method)("columns",
                                                                                                     index.columns)
            .end();
        if (!out.indexes.emplace(std::move(name_of_index), std::move(index)).second)
            throw Wrong{"an index stands there twice"};
    }
    for (auto const& item : array(members.at("foreign_keys"))) {
        Members key{item};
        auto owner = table_name(key.at("table"));
        auto& made = out.foreign_keys.emplace_back(ForeignKey{{}, std::move(owner), {}, {}, {}});
        key("name", made.name)("refers_to_us", made.refers_to_us)("on_delete", made.on_delete)("columns", made.columns)
            .end();
    }
    members("constraints", out.constraints)("triggers", out.triggers)("syncs", out.syncs)
        .if_there("rules", out.rules)
        .if_there("parents", out.parents)
        .if_there("children", out.children)
        .if_there("foreign_leaves", out.foreign_leaves)
        .if_there("settings", out.settings)
        .if_there("leaves", out.leaves)
        .end();
    return {std::move(name), std::move(out)};
}

std::pair<Question, Answer> answer(json::value const& v) {
    Members members{v};
    std::string kind;
    members("question", kind);
    std::optional<Question> question;
    if (kind == "expression") {
        ExpressionQuestion q{table_name(members.at("table")), {}, {}};
        members("expression", q.expression)("column_type", q.column_type);
        for (auto const& item : array(members.at("planned"))) {
            auto& column = q.planned.emplace_back();
            Members{item}("name", column.name)("type", column.type).end();
        }
        question = std::move(q);
    } else if (kind == "mapping") {
        MappingQuestion q{table_name(members.at("table")), {}, {}, {}, {}, {}, {}};
        members("from", q.from)("to", q.to)("from_type", q.from_type)("to_type", q.to_type)("forward", q.forward)(
            "reverse", q.reverse);
        question = std::move(q);
    } else if (kind == "drop") {
        question = DropQuestion{table_name(members.at("table"))};
    } else if (kind == "setting") {
        SettingQuestion q;
        members("name", q.name)("value", q.value)("schemas", q.schemas);
        question = std::move(q);
    } else if (kind == "quiet") {
        question = QuietQuestion{};
    } else {
        throw Wrong{"no such question: " + kind};
    }
    Answer out;
    members("sqlstate", out.sqlstate)("error", out.error)("immutable", out.immutable)(
        "calls_volatile", out.calls_volatile)("columns", out.columns)("reverse_columns", out.reverse_columns)(
        "null_is_value", out.null_is_value)("type", out.type);
    if (members.has("belongings")) out.belongings = belongings(members.at("belongings"));
    members.if_there("reads_table", out.reads_table)
        .if_there("system_columns", out.system_columns)
        .if_there("by_settings", out.by_settings);
    members.end();
    return {*std::move(question), std::move(out)};
}

Catalog catalog(json::value const& v) {
    Members members{v};
    Catalog out;
    members("server_version", out.server_version)("database", out.database)
        .if_there("lock_slots", out.lock_slots)
        .if_there("locks_per_transaction", out.locks_per_transaction);
    for (auto const& item : array(members.at("tables")))
        if (!out.tables.insert(table(item)).second) throw Wrong{"a table stands there twice"};
    for (auto const& item : array(members.at("other_relations"))) out.other_relations.insert(table_name(item));
    for (auto const& item : array(members.at("answers")))
        if (!out.answers.insert(answer(item)).second) throw Wrong{"a question stands there twice"};
    if (members.has("aside_tables"))
        for (auto const& item : array(members.at("aside_tables"))) {
            Members one{item};
            std::string comment;
            auto name = table_name(one.at("table"));
            one("comment", comment).end();
            if (aside_of(name.name.text(), comment)) out.aside_tables.emplace(std::move(name), std::move(comment));
        }
    members.end();
    return out;
}

Problem unreadable(std::string const& why) {
    return {Code::bad_value, {}, "the catalog snapshot cannot be read: " + why, ""};
}

json::value parsed(std::string_view text) {
    json::error_code error;
    auto value = json::parse(json::string_view{text.data(), text.size()}, error);
    if (error) throw Wrong{error.message()};
    return value;
}

}  // namespace

std::variant<Belongings, Problem> belongings_from_json(std::string_view text) {
    try {
        return belongings(parsed(text));
    } catch (Wrong const& wrong) {
        return Problem{Code::bad_value, {}, "the server's answer cannot be read: " + std::string{wrong.what()}, ""};
    }
}

std::string to_json(Catalog const& catalog) {
    Writer out;
    out.object([&] {
        out.member("server_version", catalog.server_version);
        out.member("database", catalog.database);
        if (catalog.lock_slots != 0) {
            out.member("lock_slots", catalog.lock_slots);
            out.member("locks_per_transaction", catalog.locks_per_transaction);
        }
        out.key("tables");
        out.list(catalog.tables, [&](auto const& entry) { out.table(entry.first, entry.second); });
        out.key("other_relations");
        out.list(catalog.other_relations, [&](TableName const& name) { out.value(name); });
        out.key("answers");
        out.list(catalog.answers, [&](auto const& entry) { out.answer(entry.first, entry.second); });
        if (catalog.aside_tables.empty()) return;
        out.key("aside_tables");
        out.list(catalog.aside_tables, [&](auto const& entry) {
            out.object([&] {
                out.member("table", entry.first);
                out.member("comment", entry.second);
            });
        });
    });
    out.text += '\n';
    return std::move(out.text);
}

std::variant<Catalog, Problem> catalog_from_json(std::string_view text) {
    try {
        return catalog(parsed(text));
    } catch (Wrong const& wrong) {
        return unreadable(wrong.what());
    }
}

}  // namespace weir
