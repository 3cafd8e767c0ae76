#include <boost/json.hpp>

#include "plans/catalog/marks.h"

namespace weir {

std::string sync_comment(Sync const& sync) {
    // Flat, so that the catalog reader can tell it from anybody else's comment: the list is text inside.
    boost::json::array reads;
    for (auto const& column : sync.reads) reads.emplace_back(column);
    boost::json::object const object{{"weir", 1},
                                     {"run", sync.run},
                                     {"number", sync.number},
                                     {"from", sync.from},
                                     {"to", sync.to},
                                     {"two_way", sync.two_way},
                                     {"forward", sync.forward},
                                     {"reverse", sync.reverse},
                                     {"reads", boost::json::serialize(reads)}};
    return boost::json::serialize(object);
}

std::string aside_comment(Aside const& aside) {
    boost::json::object object{{"weir", 1}, {"run", aside.run}, {"aside", aside.column}, {"to", aside.to}};
    if (!aside.refers.empty()) {
        boost::json::array refers;
        for (auto const& table : aside.refers)
            refers.push_back(boost::json::array{table.schema.text(), table.name.text()});
        object["refers"] = std::move(refers);
    }
    return boost::json::serialize(object);
}

std::optional<Aside> aside_of(Column const& column) {
    return column.comment ? aside_of(column.name, *column.comment) : std::nullopt;
}

std::optional<Aside> aside_of(std::string_view name, std::string_view comment) {
    if (!name.starts_with("weir_q")) return std::nullopt;
    boost::system::error_code error;
    auto const parsed = boost::json::parse(boost::json::string_view{comment.data(), comment.size()}, error);
    if (error || !parsed.is_object()) return std::nullopt;
    auto const* run = parsed.as_object().if_contains("run");
    auto const* was = parsed.as_object().if_contains("aside");
    auto const* to = parsed.as_object().if_contains("to");
    if (!run || !run->is_int64() || !was || !was->is_string() || !to || !to->is_string()) return std::nullopt;
    Aside aside{run->as_int64(), std::string{was->as_string()}, std::string{to->as_string()}};
    auto const* refers = parsed.as_object().if_contains("refers");
    if (refers == nullptr || !refers->is_array()) return aside;
    for (auto const& item : refers->as_array()) {
        if (!item.is_array() || item.as_array().size() != 2 || !item.as_array()[0].is_string() ||
            !item.as_array()[1].is_string())
            continue;
        auto const schema = Ident::make(std::string{item.as_array()[0].as_string()});
        auto const table = Ident::make(std::string{item.as_array()[1].as_string()});
        if (schema && table) aside.refers.push_back({*schema, *table});
    }
    return aside;
}

}  // namespace weir
