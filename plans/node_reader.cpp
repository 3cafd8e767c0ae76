#include "plans/node_reader.h"

#include <algorithm>

#include "plans/sql.h"

namespace weir {

using keys::Key;
using keys::Use;

YamlNode const* Found::at(std::string_view key) const {
    for (auto const& [name, node] : members)
        if (name == key && node->kind != YamlKind::refused) return node;
    return nullptr;
}

bool Found::stands(std::string_view key) const {
    return std::any_of(members.begin(), members.end(), [&](auto const& m) { return m.first == key; }) ||
           std::find(meant.begin(), meant.end(), key) != meant.end();
}

std::string quote(std::string_view text) {
    constexpr std::size_t shown_max = 80;
    std::string shown{text.substr(0, shown_max)};
    while (shown.size() < text.size() && !is_utf8(shown) && !shown.empty()) shown.pop_back();
    for (auto& c : shown)
        if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    return "\"" + shown + (shown.size() < text.size() ? "…" : "") + "\"";
}

std::string list(std::vector<std::string_view> const& words) {
    std::string text;
    for (auto const word : words) {
        if (!text.empty()) text += ", ";
        text += word;
    }
    return text;
}

std::string_view kind_name(YamlNode const& node) {
    switch (node.kind) {
        case YamlKind::null:
            return "nothing";
        case YamlKind::scalar:
            return "a text";
        case YamlKind::list:
            return "a list";
        case YamlKind::mapping:
            return "a mapping";
        case YamlKind::refused:
            break;
    }
    return "";
}

bool is_name(std::string_view text) {
    return !text.empty() && text.size() <= keys::name_max && std::all_of(text.begin(), text.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
    });
}

std::string meant(std::string_view word, std::vector<std::string_view> const& candidates, std::string_view where) {
    auto const near = nearest(word, candidates);
    if (!near.empty()) return "did you mean " + quote(near) + "?";
    return std::string{where} + " may have: " + list(candidates);
}

std::string explained(std::string_view key, std::string_view meaning) {
    return "`" + std::string{key} + "`: " + std::string{meaning};
}

void NodeReader::say(Code code, YamlNode const& node, std::string message, std::string hint) {
    problems_.push_back({code, node.place, std::move(message), std::move(hint)});
}

Found NodeReader::check_keys(YamlNode const& node, Keys known, std::string_view where) {
    Found found;
    for (auto const& [key, value] : node.members) {
        auto const row =
            std::find_if(known.begin(), known.end(), [&word = key.text](Key const& k) { return k.name == word; });
        auto const shown = quote(where.empty() ? key.text : std::string{where} + "." + key.text);
        if (row == known.end()) {
            std::vector<std::string_view> usable;
            for (auto const& k : known)
                if (k.use != Use::later) usable.push_back(k.name);
            found.meant.push_back(nearest(key.text, usable));
            say(Code::unknown_key, key, "unknown key " + shown,
                meant(key.text, usable, where.empty() ? "a plan" : where));
        } else if (row->use == Use::later) {
            say(Code::not_supported, key, shown + " is not supported by this version", std::string{row->instead});
        } else {
            found.members.emplace_back(row->name, &value);
        }
    }
    return found;
}

void NodeReader::check_required(YamlNode const& node, Found const& found, Keys known) {
    for (auto const& row : known)
        if (row.use == Use::required && !found.stands(row.name))
            say(Code::missing_key, node, "the key " + quote(row.name) + " is missing",
                explained(row.name, row.meaning));
}

bool NodeReader::is_mapping(YamlNode const& node, std::string_view what) {
    if (node.kind == YamlKind::mapping) return true;
    if (node.kind != YamlKind::refused)
        say(Code::wrong_type, node, quote(what) + " must be a mapping, and here stands " + std::string{kind_name(node)},
            "");
    return false;
}

std::string const* NodeReader::scalar(YamlNode const& node, std::string_view what, std::string_view wanted,
                                      std::string hint) {
    if (node.kind == YamlKind::scalar) return &node.text;
    if (node.kind != YamlKind::refused)
        say(Code::wrong_type, node,
            quote(what) + " must be " + std::string{wanted} + ", and here stands " + std::string{kind_name(node)},
            std::move(hint));
    return nullptr;
}

void NodeReader::refuse_sql(YamlNode const& node, Problem problem) {
    auto const& text = node.text;
    problem.message = quote(text) + " is " + problem.message;
    bool const unclosed = std::count(text.begin(), text.end(), '(') > std::count(text.begin(), text.end(), ')');
    if (node.in_flow && !node.quoted && unclosed) problem.hint = comma_hint;
    say(std::move(problem));
}

}  // namespace weir
