#include "plans/expression.h"

#include <pg_query.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace weir {
namespace {

namespace json = boost::json;

constexpr std::size_t bytes_max = 64 * 1024;
// Boost.JSON's parser recurses; some hundred nested operators are more than a person writes.
constexpr std::size_t depth_max = 1024;
constexpr auto grammar_hint = "weir reads SQL by the grammar of PostgreSQL 15";

struct Refusal {
    std::string message;
    std::string hint{grammar_hint};
};

Problem problem(Refusal refusal, Place const& place) {
    return {Code::bad_expression, place, std::move(refusal.message), std::move(refusal.hint)};
}

// ---- tokens -----------------------------------------------------------------------------------------------------

// Numbers of pg_query.proto's enum Token.
enum class TokenKind : std::uint64_t {
    open_bracket = 40,
    close_bracket = 41,
    semicolon = 59,
    parameter = 267,
    line_comment = 275,
    block_comment = 276,
};

// FCONST, SCONST, USCONST, BCONST, XCONST and ICONST of the same.
bool is_literal(TokenKind kind) {
    auto const number = static_cast<std::uint64_t>(kind);
    return (number >= 260 && number <= 264) || number == 266;
}

struct Token {
    TokenKind kind{};
    std::size_t start{}, end{};  ///< bytes
};

// The scanner answers in protobuf, and libpg-query-dev does not bring the headers that its own C bindings need. Four
// varints a token are read faster than they are depended on.
class Wire {
  public:
    explicit Wire(std::string_view bytes) : bytes_{bytes} {}

    bool at_end() const { return bytes_.empty() || broken_; }
    bool broken() const { return broken_; }

    std::uint64_t varint() {
        std::uint64_t number = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            if (bytes_.empty()) break;
            auto const byte = static_cast<unsigned char>(bytes_.front());
            bytes_.remove_prefix(1);
            number |= static_cast<std::uint64_t>(byte & 0x7F) << shift;
            if ((byte & 0x80) == 0) return number;
        }
        broken_ = true;
        return 0;
    }

    std::string_view message() {
        auto const length = varint();
        if (length > bytes_.size()) broken_ = true;
        if (broken_) return {};
        auto const inside = bytes_.substr(0, length);
        bytes_.remove_prefix(length);
        return inside;
    }

  private:
    std::string_view bytes_;
    bool broken_{};
};

constexpr std::uint64_t varint_wire = 0;
constexpr std::uint64_t message_wire = 2;

// Nothing when a field is not as pg_query.proto says: another version of the library, and no word of it counts.
std::optional<std::vector<Token>> read_tokens(std::string_view bytes) {
    std::vector<Token> tokens;
    Wire result{bytes};
    while (!result.at_end()) {
        auto const tag = result.varint();
        if (tag == (1U << 3U | varint_wire)) {
            result.varint();
        } else if (tag == (2U << 3U | message_wire)) {
            Wire token{result.message()};
            std::uint64_t kind = 0;
            Token read;
            while (!token.at_end()) {
                auto const field = token.varint();
                if ((field & 7U) != varint_wire) return std::nullopt;
                auto const value = token.varint();
                if (field >> 3U == 1) read.start = value;
                if (field >> 3U == 2) read.end = value;
                if (field >> 3U == 4) kind = value;
            }
            if (token.broken() || kind == 0) return std::nullopt;
            read.kind = static_cast<TokenKind>(kind);
            tokens.push_back(read);
        } else {
            return std::nullopt;
        }
    }
    if (result.broken()) return std::nullopt;
    return tokens;
}

std::variant<std::vector<Token>, Refusal> scan(std::string const& text) {
    PgQueryScanResult const answer = pg_query_scan(text.c_str());
    std::optional<Refusal> refusal;
    std::optional<std::vector<Token>> tokens;
    if (answer.error != nullptr)
        refusal = Refusal{answer.error->message};
    else
        tokens = read_tokens({answer.pbuf.data, answer.pbuf.len});
    pg_query_free_scan_result(answer);
    if (refusal) return *std::move(refusal);
    if (!tokens) return Refusal{"libpg_query answers in a form that weir does not know", "weir needs libpg_query 15"};
    return *std::move(tokens);
}

enum class Comments { allowed, refused };

/// What may not stand in the text, whatever the parser thinks of it: with brackets that never close more than they
/// opened, everything stays between the brackets that weir writes around it.
std::optional<Refusal> check_tokens(std::string const& text, Comments comments) {
    auto const scanned = scan(text);
    if (auto const* refusal = std::get_if<Refusal>(&scanned)) return *refusal;
    int depth = 0;
    bool any = false;
    for (auto const& token : std::get<std::vector<Token>>(scanned)) {
        switch (token.kind) {
            case TokenKind::open_bracket:
                ++depth;
                break;
            case TokenKind::close_bracket:
                if (--depth < 0) return Refusal{"a closing bracket without an opening one"};
                break;
            case TokenKind::semicolon:
                return Refusal{"a semicolon cannot stand here", "write one piece of SQL, no statement"};
            case TokenKind::parameter:
                return Refusal{"a parameter such as $1 cannot stand here", "write the value itself"};
            case TokenKind::line_comment:
            case TokenKind::block_comment:
                if (comments == Comments::refused)
                    return Refusal{"a comment cannot stand in a type", "write it as a YAML comment"};
                continue;
        }
        any = true;
    }
    if (depth > 0) return Refusal{"an opening bracket without a closing one"};
    if (!any) return Refusal{"there is no SQL in it", ""};
    return std::nullopt;
}

// ---- parse ------------------------------------------------------------------------------------------------------

std::size_t characters(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::variant<json::value, Refusal> read_tree(std::string const& tree) {
    json::parse_options options;
    options.max_depth = depth_max;
    boost::system::error_code failed;
    auto document = json::parse(tree, failed, {}, options);
    if (failed == json::error::too_deep)
        return Refusal{"it is nested too deeply", "split it, or put it into a function"};
    if (failed) return Refusal{"libpg_query answers in a form that weir does not know", "weir needs libpg_query 15"};
    return document;
}

/// The one target of `SELECT` + before + text + after, or why it is not that.
std::variant<json::object, Refusal> only_target(std::string_view before, std::string const& text,
                                                std::string_view after) {
    auto const statement = "SELECT " + std::string{before} + text + std::string{after};
    PgQueryParseResult const parsed = pg_query_parse(statement.c_str());
    std::optional<Refusal> refusal;
    std::string tree;
    if (parsed.error != nullptr) {
        // Past the text stands what weir itself wrote, which the user has never seen.
        auto const end = characters(statement) - characters(after);
        bool const at_end = parsed.error->cursorpos > 0 && static_cast<std::size_t>(parsed.error->cursorpos) > end;
        refusal = Refusal{at_end ? "syntax error at the end" : std::string{parsed.error->message}};
    } else {
        tree = parsed.parse_tree;
    }
    pg_query_free_parse_result(parsed);
    if (refusal) return *refusal;

    auto const read = read_tree(tree);
    if (auto const* unread = std::get_if<Refusal>(&read)) return *unread;
    auto const& document = std::get<json::value>(read);

    Refusal const other{"it is more than one expression"};
    auto const* statements = document.is_object() ? document.as_object().if_contains("stmts") : nullptr;
    if (statements == nullptr || !statements->is_array() || statements->as_array().size() != 1) return other;
    auto const* select = [&]() -> json::object const* {
        auto const* raw = statements->as_array().front().if_object();
        auto const* stmt = raw != nullptr ? raw->if_contains("stmt") : nullptr;
        auto const* node = stmt != nullptr && stmt->is_object() ? stmt->as_object().if_contains("SelectStmt") : nullptr;
        return node != nullptr ? node->if_object() : nullptr;
    }();
    if (select == nullptr) return other;
    // Every clause that was written is a member of its own, so that a list of what may be there knows all that may not.
    for (auto const& member : *select)
        if (member.key() != "targetList" && member.key() != "limitOption" && member.key() != "op") return other;
    auto const is = [&](char const* key, std::string_view value) {
        auto const* found = select->if_contains(key);
        return found != nullptr && found->is_string() && found->as_string() == value;
    };
    if (!is("limitOption", "LIMIT_OPTION_DEFAULT") || !is("op", "SETOP_NONE")) return other;
    auto const* targets = select->if_contains("targetList");
    if (targets == nullptr || !targets->is_array() || targets->as_array().size() != 1) return other;
    auto const* wrapped = targets->as_array().front().if_object();
    auto const* target = wrapped != nullptr ? wrapped->if_contains("ResTarget") : nullptr;
    if (target == nullptr || !target->is_object() || target->as_object().contains("name")) return other;
    auto const* value = target->as_object().if_contains("val");
    if (value == nullptr || !value->is_object() || value->as_object().size() != 1) return other;
    return value->as_object();
}

std::optional<Refusal> check_bytes(std::string_view text, std::string_view what) {
    if (text.size() > bytes_max) return Refusal{"it is longer than 64 kB", "put it into a function"};
    if (text.find('\0') != std::string_view::npos || !is_utf8(text)) return Refusal{"it is not UTF-8 text", ""};
    if (text.find_first_not_of(" \t\r\n\f") == std::string_view::npos)
        return Refusal{"there is no " + std::string{what} + " in it", ""};
    return std::nullopt;
}

json::object const* object_at(json::object const& parent, char const* key) {
    auto const* found = parent.if_contains(key);
    return found != nullptr ? found->if_object() : nullptr;
}

std::optional<Refusal> check_expression(std::string_view text) {
    if (auto refusal = check_bytes(text, "expression")) return refusal;
    std::string const copy{text};
    if (auto refusal = check_tokens(copy, Comments::allowed)) return refusal;
    auto const written = only_target("(", copy, "\n)");
    if (auto const* refusal = std::get_if<Refusal>(&written)) return *refusal;
    // In brackets `a, b` is a row and `select 1` a subquery; as an argument of CAST they are what they are: no
    // expression.
    auto const alone = only_target("CAST(", copy, "\n AS text)");
    if (std::holds_alternative<json::object>(alone)) return std::nullopt;
    auto const& target = std::get<json::object>(written);
    if (target.contains("RowExpr"))
        return Refusal{"these are several expressions", "write one expression, without a comma outside of brackets"};
    if (target.contains("SubLink"))
        return Refusal{"this is a query", "write a subquery in brackets of its own: (SELECT …)"};
    return std::get<Refusal>(alone);
}

std::optional<Refusal> check_type(std::string_view text) {
    if (auto refusal = check_bytes(text, "type")) return refusal;
    std::string const copy{text};
    if (auto refusal = check_tokens(copy, Comments::refused)) return refusal;
    auto const written = only_target("NULL::", copy, "\n");
    if (auto const* refusal = std::get_if<Refusal>(&written)) {
        if (refusal->message == "it is more than one expression") return Refusal{"it is more than a type"};
        return *refusal;
    }
    Refusal const other{"it is more than a type", "write the type's name, with its modifier at most: numeric(10,2)"};
    auto const* cast = object_at(std::get<json::object>(written), "TypeCast");
    if (cast == nullptr) return other;
    // A second cast (`text::int`) would have the first one as its argument.
    auto const* argument = object_at(*cast, "arg");
    auto const* constant = argument != nullptr ? object_at(*argument, "A_Const") : nullptr;
    auto const* type = object_at(*cast, "typeName");
    if (constant == nullptr || !constant->contains("isnull") || type == nullptr) return other;
    if (type->contains("setof") || type->contains("pct_type"))
        return Refusal{"SETOF and %TYPE are no types of a column", "write the type's name"};
    auto const* names = type->if_contains("names");
    if (names == nullptr || !names->is_array()) return other;
    if (names->as_array().size() == 1) {
        auto const* node = names->as_array().front().if_object();
        auto const* string = node != nullptr ? object_at(*node, "String") : nullptr;
        auto const* word = string != nullptr ? string->if_contains("sval") : nullptr;
        // Words that CREATE TABLE and ADD COLUMN replace by an integer and a sequence.
        constexpr std::array serials{"serial", "serial2", "serial4", "serial8", "smallserial", "bigserial"};
        if (word != nullptr && word->is_string() &&
            std::any_of(serials.begin(), serials.end(),
                        [&](auto const* serial) { return word->as_string() == serial; }))
            return Refusal{"\"" + copy + "\" is no type but a column with a sequence", "write integer or bigint"};
    }
    return std::nullopt;
}

/// The text up to the end of its one statement, without what ends it.
std::variant<std::string, Refusal> only_statement(std::string_view text) {
    if (auto refusal = check_bytes(text, "statement")) return *std::move(refusal);
    std::string one{text};
    auto const scanned = scan(one);
    if (auto const* refusal = std::get_if<Refusal>(&scanned)) return *refusal;
    std::size_t end = 0;
    for (auto const& token : std::get<std::vector<Token>>(scanned))
        if (token.kind != TokenKind::semicolon && token.kind != TokenKind::line_comment &&
            token.kind != TokenKind::block_comment)
            end = token.end;
    one.resize(end);
    if (one.empty()) return Refusal{"there is no SQL in it", ""};

    PgQueryParseResult const parsed = pg_query_parse(one.c_str());
    std::optional<Refusal> refusal;
    std::string tree;
    if (parsed.error != nullptr)
        refusal = Refusal{parsed.error->message};
    else
        tree = parsed.parse_tree;
    pg_query_free_parse_result(parsed);
    if (refusal) return *std::move(refusal);
    auto const read = read_tree(tree);
    if (auto const* unread = std::get_if<Refusal>(&read)) return *unread;
    auto const* whole = std::get<json::value>(read).if_object();
    auto const* statements = whole != nullptr ? whole->if_contains("stmts") : nullptr;
    auto const* all = statements != nullptr ? statements->if_array() : nullptr;
    if (all == nullptr || all->size() != 1)
        return Refusal{"it is more than one statement", "write one, and the next into a field of its own"};
    auto const* raw = all->front().if_object();
    auto const* statement = raw != nullptr ? object_at(*raw, "stmt") : nullptr;
    if (statement == nullptr) return Refusal{"libpg_query answers in a form that weir does not know", ""};

    if (statement->contains("TransactionStmt"))
        return Refusal{"it begins or ends a transaction", "weir runs it inside of a transaction of its own"};
    if (statement->contains("VariableSetStmt") || statement->contains("DiscardStmt"))
        return Refusal{"it changes the session of weir itself", "say under `settings` what it shall see"};
    auto const* copy = object_at(*statement, "CopyStmt");
    if (copy != nullptr && !copy->contains("filename"))
        return Refusal{"it reads from or writes to the client", "weir has nothing to send: write an INSERT"};
    return one;
}

// ---- statements of others -----------------------------------------------------------------------------------------

std::string upper(std::string_view word) {
    std::string text{word};
    for (auto& c : text)
        if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    return text;
}

/// Statements in which each value is a literal.
constexpr std::array plain_commands{"ABORT",   "ANALYZE",  "BEGIN",   "CLOSE",    "CLUSTER",   "COMMIT", "COPY",
                                    "DECLARE", "DELETE",   "END",     "FETCH",    "INSERT",    "LOCK",   "MERGE",
                                    "REFRESH", "REINDEX",  "RELEASE", "ROLLBACK", "SAVEPOINT", "SELECT", "START",
                                    "TABLE",   "TRUNCATE", "UPDATE",  "VACUUM",   "VALUES",    "WITH"};
/// The same of tables and indexes only.
constexpr std::array plain_of_tables{"ALTER", "CREATE", "DROP"};
/// Of these no more than the word is shown.
constexpr std::array other_commands{"CALL",     "CHECKPOINT", "COMMENT", "DEALLOCATE", "DISCARD", "DO",
                                    "EXECUTE",  "EXPLAIN",    "GRANT",   "IMPORT",     "LISTEN",  "LOAD",
                                    "MOVE",     "NOTIFY",     "PREPARE", "REASSIGN",   "RESET",   "REVOKE",
                                    "SECURITY", "SET",        "SHOW",    "UNLISTEN"};

template <std::size_t N>
bool among(std::array<char const*, N> const& words, std::string_view word) {
    return std::find(words.begin(), words.end(), word) != words.end();
}

/// Its commands: there is no other word that a value could not be.
std::string first_word(std::string_view statement) {
    auto const from = statement.find_first_not_of(" \t\r\n(");
    if (from == std::string_view::npos) return "…";
    auto const rest = statement.substr(from);
    auto const letters = std::find_if_not(rest.begin(), rest.end(),
                                          [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); });
    std::string const word{rest.begin(), letters};
    auto const known = upper(word);
    bool const command = among(plain_commands, known) || among(plain_of_tables, known) || among(other_commands, known);
    return command ? word + " …" : "…";
}

/// All statements of the text.
bool shows_values_as_literals(std::string_view text, std::vector<Token> const& tokens) {
    std::vector<std::string> words;  // the first of the statement
    auto const plain = [&] {
        if (words.empty()) return true;
        words.resize(3);
        if (among(plain_commands, words[0])) return true;
        auto const& what = words[1] == "UNIQUE" ? words[2] : words[1];
        return among(plain_of_tables, words[0]) && (what == "TABLE" || what == "INDEX");
    };
    bool any = false;
    for (auto const& token : tokens) {
        if (token.kind == TokenKind::semicolon) {
            if (!plain()) return false;
            words.clear();
        } else if (words.size() < 3 && (token.kind != TokenKind::open_bracket || !words.empty())) {
            any = true;
            words.push_back(upper(text.substr(token.start, token.end - token.start)));
        }
    }
    return any && plain();
}

std::string cut(std::string text, std::size_t most) {
    std::size_t seen = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if ((static_cast<unsigned char>(text[i]) & 0xC0) == 0x80 || seen++ < most) continue;
        text.resize(i);
        break;
    }
    return text;
}

}  // namespace

std::variant<UserExpr, Problem> declare_expression(std::string_view text, Place const& place) {
    if (auto refusal = check_expression(text)) {
        refusal->message = "not one SQL expression: " + refusal->message;
        return problem(*std::move(refusal), place);
    }
    return UserExpr{std::string{text}};
}

std::variant<TypeName, Problem> declare_type(std::string_view text, Place const& place) {
    if (auto refusal = check_type(text)) {
        refusal->message = "not a type: " + refusal->message;
        return problem(*std::move(refusal), place);
    }
    return TypeName{std::string{text}};
}

std::variant<Statement, Problem> declare_statement(std::string_view text, Place const& place) {
    auto one = only_statement(text);
    if (auto* refusal = std::get_if<Refusal>(&one)) {
        refusal->message = "not one SQL statement: " + refusal->message;
        return problem(std::move(*refusal), place);
    }
    return Statement{std::get<std::string>(std::move(one))};
}

std::string on_one_line(std::string_view statement, std::size_t most) {
    std::string text;
    bool gap = false;
    for (char const c : statement) {
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
            gap = !text.empty();
            continue;
        }
        if (std::exchange(gap, false)) text += ' ';
        text += c;
    }
    return cut(std::move(text), most);
}

std::string without_values(std::string_view statement, std::size_t most) {
    std::string const text{statement};
    if (text.size() > bytes_max || text.find_first_of(std::string_view{"\\\0", 2}) != std::string::npos)
        return first_word(text);
    PgQueryParseResult const parsed = pg_query_parse(text.c_str());
    bool const sound = parsed.error == nullptr;
    pg_query_free_parse_result(parsed);
    std::optional<std::vector<Token>> tokens;
    if (sound) {
        PgQueryScanResult const scan = pg_query_scan(text.c_str());
        if (scan.error == nullptr) tokens = read_tokens({scan.pbuf.data, scan.pbuf.len});
        pg_query_free_scan_result(scan);
    }
    if (!tokens) return first_word(text);
    std::erase_if(*tokens, [&](Token const& token) {
        return token.kind == TokenKind::line_comment || token.kind == TokenKind::block_comment ||
               token.start > token.end || token.end > text.size();
    });
    if (!shows_values_as_literals(text, *tokens)) return first_word(text);
    std::string shown;
    std::size_t before = 0;
    for (auto const& token : *tokens) {
        if (!shown.empty() && token.start > before) shown += ' ';
        shown += is_literal(token.kind) ? "?" : text.substr(token.start, token.end - token.start);
        before = token.end;
    }
    // Identifiers in quotes may hold the end of a line.
    return on_one_line(shown, most);
}

}  // namespace weir
