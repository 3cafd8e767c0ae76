#pragma once
/// What every part of the plan reader asks of a node of the file. Whatever is wrong goes into the Problems, with its
/// place; of a node that is refused already nothing more is said. Of the plan reader alone; one thread at a time.
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "plans/keys.h"
#include "plans/problem.h"
#include "plans/yaml.h"

namespace weir {

/// The members of a mapping by their keys.
struct Found {
    std::vector<std::pair<std::string_view, YamlNode const*>> members;
    std::vector<std::string> meant;  ///< keys that were written wrongly; that they are missing too is no news

    /// Nothing for a key that is absent or refused.
    YamlNode const* at(std::string_view key) const;
    /// True also for a key that is refused, or written wrongly.
    bool stands(std::string_view key) const;
};

class NodeReader {
  public:
    using Keys = std::span<keys::Key const>;

    /// REQUIRES that `problems` outlives it.
    explicit NodeReader(Problems& problems) : problems_{problems} {}

    void say(Code code, YamlNode const& node, std::string message, std::string hint);
    void say(Problem problem) { problems_.push_back(std::move(problem)); }
    /// How many problems there are by now.
    std::size_t told() const { return problems_.size(); }

    /// The members that a table of keys knows. Unknown keys are told with the nearest one that may stand, those of
    /// later versions as not supported. `where` is the key above, or empty for the plan itself.
    Found check_keys(YamlNode const& node, Keys known, std::string_view where);
    /// Tells of each required key that does not stand there.
    void check_required(YamlNode const& node, Found const& found, Keys known);

    /// `what` is the dotted key, for the message.
    bool is_mapping(YamlNode const& node, std::string_view what);
    /// Its text, or nothing and a problem: "`what` must be `wanted`, and here stands …".
    std::string const* scalar(YamlNode const& node, std::string_view what, std::string_view wanted,
                              std::string hint = {});
    /// A text that `declare` (declare_expression, declare_type) takes. `null_hint` is for a node where YAML reads
    /// nothing.
    template <class T>
    std::optional<T> sql(YamlNode const& node, std::string_view what, std::string_view wanted, std::string null_hint,
                         std::variant<T, Problem> (*declare)(std::string_view, Place const&)) {
        auto const* text = scalar(node, what, wanted, node.kind == YamlKind::null ? std::move(null_hint) : "");
        if (text == nullptr) return std::nullopt;
        auto declared = declare(*text, node.place);
        if (auto* made = std::get_if<T>(&declared)) return std::move(*made);
        refuse_sql(node, std::get<Problem>(std::move(declared)));
        return std::nullopt;
    }

  private:
    void refuse_sql(YamlNode const& node, Problem problem);

    Problems& problems_;
};

/// In double quotes, without control characters, cut after 80 bytes.
std::string quote(std::string_view text);
/// With commas between them.
std::string list(std::vector<std::string_view> const& words);
/// "did you mean …?" when one of the candidates is near, else what `where` may have.
std::string meant(std::string_view word, std::vector<std::string_view> const& candidates, std::string_view where);
/// "`key`: meaning"
std::string explained(std::string_view key, std::string_view meaning);
/// "a list", "a text": what stands there.
std::string_view kind_name(YamlNode const& node);
/// 1 to 60 lower-case letters, digits and hyphens: what plans and signals are called.
bool is_name(std::string_view text);

inline constexpr auto comma_hint = "inside { } and [ ] a comma ends a value: put the whole text in quotes";

}  // namespace weir
