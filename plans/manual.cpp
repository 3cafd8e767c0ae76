// The tables of the docs that follow from the declarations of the operations.
#include <algorithm>
#include <string>
#include <vector>

#include "plans/kinds.h"
#include "plans/reader.h"

namespace weir {
namespace {

std::string code(std::string_view text) { return "`" + std::string{text} + "`"; }

std::string any_of(std::span<std::string_view const> words) {
    std::string text;
    for (std::size_t i = 0; i < words.size(); ++i)
        text += (i == 0 ? "" : i + 1 == words.size() ? " or " : ", ") + code(words[i]);
    return text;
}

std::string value_of(FieldSpec const& spec) {
    if (spec.kind == FieldKind::word) return any_of(spec.words);
    if (spec.kind != FieldKind::number) return std::string{row(spec.kind).name};
    auto const least = std::to_string(spec.bounds.least);
    if (spec.bounds.most == NumberBounds{}.most) return "a whole number, " + least + " or more";
    return "a whole number, " + least + " to " + std::to_string(spec.bounds.most);
}

std::string default_of(FieldSpec const& spec) {
    if (spec.use == FieldUse::required) return "must be given";
    if (spec.kind == FieldKind::flag) return code(spec.standard == "yes" ? "yes" : "no");
    return spec.standard.empty() ? "" : code(spec.standard);
}

std::string table_of(std::span<FieldSpec const> fields) {
    std::string text = "| Key | Value | Meaning | Default |\n|---|---|---|---|\n";
    for (auto const& spec : fields)
        if (spec.use != FieldUse::unsupported)
            text += "| " + code(spec.name) + " | " + value_of(spec) + " | " + std::string{spec.meaning} + " | " +
                    default_of(spec) + " |\n";
    return text;
}

void note_used(std::span<FieldSpec const> fields, std::vector<FieldKind>& used) {
    for (auto const& spec : fields) {
        if (spec.use == FieldUse::unsupported || std::find(used.begin(), used.end(), spec.kind) != used.end()) continue;
        used.push_back(spec.kind);
        note_used(row(spec.kind).fields, used);
    }
}

}  // namespace

std::string field_table(OperationRow const& operation) { return table_of(operation.fields); }

std::string kind_table(OperationTable operations) {
    std::vector<FieldKind> used;
    for (auto const& operation : operations) note_used(operation.fields, used);
    auto const is_used = [&](KindRow const& each) {
        return std::find(used.begin(), used.end(), each.kind) != used.end();
    };
    std::string text = "| Value | How it is written |\n|---|---|\n";
    for (auto const& each : kinds())
        if (is_used(each)) text += "| " + std::string{each.name} + " | " + std::string{each.meaning} + " |\n";
    for (auto const& each : kinds())
        if (is_used(each) && !each.fields.empty())
            text += "\nThe mapping of **" + std::string{each.name} + "**:\n\n" + table_of(each.fields);
    return text;
}

}  // namespace weir
