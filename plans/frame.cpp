#include "plans/frame.h"

#include <algorithm>

#include "plans/fields.h"
#include "plans/settings.h"

namespace weir {
namespace {

class FrameReader : NodeReader {
  public:
    FrameReader(NodeReader const& reader, OperationTable operations, Frame& into)
        : NodeReader{reader}, operations_{operations}, frame_{into} {}

    void read(YamlNode const& root) {
        if (root.kind == YamlKind::refused) return;
        if (root.kind != YamlKind::mapping) {
            say(Code::wrong_type, root, "a plan is a mapping, and here stands " + std::string{kind_name(root)},
                "begin with `weir: 1`");
            return;
        }
        auto const found = check_keys(root, keys::top, "");
        check_required(root, found, keys::top);
        if (auto const* node = found.at("weir")) read_format(*node);
        if (auto const* node = found.at("name")) read_name(*node);
        if (auto const* node = found.at("description"))
            if (auto const* text = scalar(*node, "description", "a text")) frame_.plan.description = *text;
        read_settings(*this, found, frame_.plan);

        // A list that is misspelled or refused is no reason to say that there is none.
        bool any = false;
        auto const list = [&](std::string_view key, Level level, Phase phase, std::vector<ReadOperation>& into) {
            if (auto const* node = found.at(key))
                any |= read_operations(*node, key, level, phase, into);
            else
                any |= found.stands(key);
        };
        list("changes", Level::change, Phase::expand, frame_.changes);
        for (auto const phase : {Phase::expand, Phase::backfill, Phase::contract})
            list(name(phase), Level::primitive, phase, frame_.lists);
        if (!any)
            say(Code::missing_key, root, "the plan has no operation",
                "give `changes`, or a list `expand`, `backfill` or `contract`");
    }

  private:
    void read_format(YamlNode const& node) {
        auto const* text = scalar(node, "weir", "the number 1");
        if (text == nullptr) return;
        if (node.quoted)
            say(Code::wrong_type, node, "\"weir\" must be the number 1, and here stands a text", "remove the quotes");
        else if (*text != std::to_string(keys::format))
            say(Code::bad_value, node, "this version does not read the format " + quote(*text), "write `weir: 1`");
    }

    void read_name(YamlNode const& node) {
        auto const* text = scalar(node, "name", "a text");
        if (text == nullptr) return;
        if (!is_name(*text))
            say(Code::bad_value, node, quote(*text) + " cannot be the name of a plan",
                "a name has 1 to 60 lower-case letters, digits and hyphens");
        frame_.plan.name = *text;
    }

    OperationRow const* find(std::string_view operation, Level level) const {
        auto const found = std::find_if(operations_.begin(), operations_.end(), [&](OperationRow const& row) {
            return row.name == operation && row.level == level;
        });
        return found == operations_.end() ? nullptr : &*found;
    }

    /// False when the list is empty.
    bool read_operations(YamlNode const& node, std::string_view where, Level level, Phase listed,
                         std::vector<ReadOperation>& into) {
        if (node.kind != YamlKind::list) {
            say(Code::wrong_type, node,
                quote(where) + " must be a list of operations, and here stands " + std::string{kind_name(node)},
                "begin each operation with a hyphen: `- add_column: { … }`");
            return true;
        }
        for (auto const& item : node.items) {
            if (item.kind == YamlKind::refused) continue;
            if (item.kind != YamlKind::mapping || item.members.size() != 1) {
                auto const hint =
                    item.kind == YamlKind::mapping && item.members.size() > 1
                        ? "give each operation a hyphen of its own, and write its fields in { } or further in"
                        : "write `- add_column: { … }`";
                say(Code::wrong_type, item, "an item of " + quote(where) + " must be one operation with its fields",
                    hint);
                continue;
            }
            auto const& [key, fields] = item.members.front();
            if (auto const* row = find_row(key, where, level))
                if (auto values = read_fields(*this, *row, key, fields))
                    into.push_back({row, *std::move(values), listed});
        }
        return !node.items.empty();
    }

    OperationRow const* find_row(YamlNode const& key, std::string_view where, Level level) {
        if (auto const* row = find(key.text, level)) return row;
        auto const other = level == Level::change ? Level::primitive : Level::change;
        if (find(key.text, other) != nullptr) {
            say(Code::unknown_key, key, quote(key.text) + " cannot stand under " + quote(where),
                level == Level::change ? "it is a primitive: put it into the list `expand`, `backfill` or `contract`"
                                       : "it spreads over the phases by itself: put it into the list `changes`");
            return nullptr;
        }
        std::vector<std::string_view> names;
        for (auto const& row : operations_)
            if (row.level == level) names.push_back(row.name);
        if (std::find(keys::operations.begin(), keys::operations.end(), key.text) != keys::operations.end()) {
            say(Code::not_supported, key, "the operation " + quote(key.text) + " is not supported by this version",
                quote(where) + " may have: " + list(names));
            return nullptr;
        }
        say(Code::unknown_key, key, "unknown operation " + quote(key.text), meant(key.text, names, quote(where)));
        return nullptr;
    }

    OperationTable operations_;
    Frame& frame_;
};

void append(std::vector<Part>& parts, ReadOperation const& read, Plan const& plan, int change) {
    for (auto& part : read.row->build(read.values, {read.listed, plan.quarantine})) {
        part.change = change;
        part.place = read.values.place;
        part.of = read.row->name;
        part.recipe = read.row->recipe;
        parts.push_back(std::move(part));
    }
}

}  // namespace

Frame read_frame(NodeReader& reader, YamlNode const& root, OperationTable operations) {
    Frame frame;
    FrameReader{reader, operations, frame}.read(root);
    return frame;
}

std::vector<Part> build_parts(Frame const& frame) {
    std::vector<Part> changes;
    std::vector<Part> lists;
    int change = 0;
    for (auto const& read : frame.changes) append(changes, read, frame.plan, ++change);
    for (auto const& read : frame.lists) append(lists, read, frame.plan, 0);
    std::vector<Part> parts;
    for (auto const phase : {Phase::expand, Phase::backfill, Phase::proof, Phase::contract, Phase::quarantine})
        for (auto const* from : {&changes, &lists})
            for (auto const& part : *from)
                if (part.phase == phase) parts.push_back(part);
    return parts;
}

}  // namespace weir
