#pragma once
/// SQL that weir may send, and the only roads to it.
///
/// A statement is a compile-time template with numbered placeholders: `sql("DROP TABLE {0}", table)`.
/// Its arguments write themselves safely, so that no run-time string becomes SQL by accident:
///   Ident      a name, always quoted          Value   a text literal, always quoted
///   Int        an integer                     Sql     a statement or fragment made the same way
///   UserExpr   one expression that the plan (or the server's own catalog) declares as SQL
///   TypeName   one type, checked the same way     Statement   one statement, the same
/// Braces of SQL itself are written `{{` and `}}`. An unknown index, an unused argument or a stray brace does
/// not compile. Values of this header are immutable and may be shared between threads.
#include <array>
#include <compare>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace weir {

struct Place;
struct Problem;

template <class T>
concept SqlPart = requires(T const& part, std::string& out) {
    { part.write(out) } -> std::same_as<void>;
};

/// An identifier as the server stores it: 1 to 63 bytes of UTF-8 without NUL. Longer names are refused, because the
/// server would cut them with a mere NOTICE. Writes itself in double quotes, always.
class Ident {
  public:
    /// Nothing when `name` is empty, longer than 63 bytes, holds a NUL or is not UTF-8.
    static std::optional<Ident> make(std::string_view name);
    /// For names that weir itself makes up; REQUIRES make(name) to succeed, else it throws std::logic_error.
    static Ident of(std::string_view name);

    std::string const& text() const { return name_; }
    void write(std::string& out) const;
    auto operator<=>(Ident const&) const = default;

  private:
    explicit Ident(std::string name) : name_{std::move(name)} {}
    std::string name_;
};

/// A table (or view, sequence, index) by schema and name.
struct TableName {
    Ident schema;
    Ident name;
    void write(std::string& out) const;
    /// As people read it: `users` for public.users, `shop.orders` otherwise.
    std::string text() const;
    auto operator<=>(TableName const&) const = default;
};

/// A name that may leave its schema out, as those of collations and operator classes do.
struct QualifiedName {
    std::optional<Ident> schema;
    Ident name;
    void write(std::string& out) const;
    auto operator<=>(QualifiedName const&) const = default;
};

/// A text literal: `'it''s'`, or `E'…'` when it holds a backslash. A NUL cannot stand in SQL and throws
/// std::logic_error.
class Value {
  public:
    explicit Value(std::string text) : text_{std::move(text)} {}
    void write(std::string& out) const;

  private:
    std::string text_;
};

class Int {
  public:
    explicit Int(std::int64_t number) : number_{number} {}
    void write(std::string& out) const;

  private:
    std::int64_t number_;
};

/// One SQL expression by libpg_query's word; made only by declare_expression() (plans/expression.h).
/// Writes itself as `(text` newline `)`, so that a trailing comment cannot eat the bracket.
class UserExpr {
  public:
    std::string const& text() const { return text_; }
    void write(std::string& out) const;
    bool operator==(UserExpr const&) const = default;

  private:
    friend std::variant<UserExpr, Problem> declare_expression(std::string_view, Place const&);
    explicit UserExpr(std::string text) : text_{std::move(text)} {}
    std::string text_;
};

/// One type with its modifier, such as `numeric(10,2)` or `public.citext[]`; made only by declare_type().
class TypeName {
  public:
    std::string const& text() const { return text_; }
    void write(std::string& out) const;
    bool operator==(TypeName const&) const = default;

  private:
    friend std::variant<TypeName, Problem> declare_type(std::string_view, Place const&);
    explicit TypeName(std::string text) : text_{std::move(text)} {}
    std::string text_;
};

/// One statement by libpg_query's word; made only by declare_statement(). No semicolon and no comment stands at its
/// end.
class Statement {
  public:
    std::string const& text() const { return text_; }
    void write(std::string& out) const { out += text_; }
    bool operator==(Statement const&) const = default;

  private:
    friend std::variant<Statement, Problem> declare_statement(std::string_view, Place const&);
    explicit Statement(std::string text) : text_{std::move(text)} {}
    std::string text_;
};

namespace detail {
// Not constexpr on purpose: reaching one of them during compile-time checking is the error message.
void unknown_placeholder();
void unused_argument();
void stray_brace();
}  // namespace detail

template <class... A>
struct SqlText {
    std::string_view text;

    consteval SqlText(char const* literal) : text{literal} {  // NOLINT(google-explicit-constructor)
        std::array<bool, sizeof...(A) + 1> used{};
        for (std::size_t i = 0; i < text.size(); ++i) {
            if (text[i] == '}') {
                if (i + 1 >= text.size() || text[i + 1] != '}') detail::stray_brace();
                ++i;
            } else if (text[i] == '{') {
                if (i + 1 < text.size() && text[i + 1] == '{') {
                    ++i;
                    continue;
                }
                std::size_t index = 0;
                std::size_t digits = 0;
                for (++i; i < text.size() && text[i] >= '0' && text[i] <= '9'; ++i, ++digits)
                    index = index * 10 + static_cast<std::size_t>(text[i] - '0');
                if (digits == 0 || i >= text.size() || text[i] != '}') detail::stray_brace();
                if (index >= sizeof...(A)) detail::unknown_placeholder();
                used[index] = true;
            }
        }
        for (std::size_t i = 0; i < sizeof...(A); ++i)
            if (!used[i]) detail::unused_argument();
    }
};

/// Whose rights a statement of a step runs with.
enum class By : std::uint8_t {
    owner,  ///< of the table that it is about: what it makes is then as if the owner had made it
    weir,   ///< weir's own role: for what stands in its schemas, and for what only asks
};

class Sql {
  public:
    Sql() = default;
    std::string const& text() const { return text_; }
    By by() const { return by_; }
    /// The same statement, by weir. Fragments of it count for nothing.
    Sql by_weir() const;
    bool empty() const { return text_.empty(); }
    void write(std::string& out) const { out += text_; }
    bool operator==(Sql const&) const = default;

    /// A dollar-quoted body, with a tag that does not occur inside.
    static Sql body(Sql const& inside);
    /// Fragments of weir's own with `separator` between them; for lists of columns and conditions.
    static Sql join(std::vector<Sql> const& parts, SqlText<> separator);

    template <SqlPart... A>
    friend Sql sql(SqlText<std::type_identity_t<A>...> literal, A const&... parts);

  private:
    static std::string fill(std::string_view literal, std::vector<std::string> const& parts);
    std::string text_;
    By by_{By::owner};
};

template <SqlPart... A>
Sql sql(SqlText<std::type_identity_t<A>...> literal, A const&... parts) {
    std::vector<std::string> written(sizeof...(A));
    std::size_t next = 0;
    (parts.write(written[next++]), ...);
    Sql made;
    made.text_ = Sql::fill(literal.text, written);
    return made;
}

/// Statements that go to the server as ONE string: one round trip, one implicit transaction; the last result counts.
using Batch = std::vector<Sql>;

/// The string that is sent: the statements joined by `;` and newline.
std::string to_text(Batch const& batch);

/// True when `text` is well-formed UTF-8 without NUL.
bool is_utf8(std::string_view text);

}  // namespace weir
