#include <boost/json.hpp>

#include "plans/catalog.h"

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
    return boost::json::serialize(
        boost::json::object{{"weir", 1}, {"run", aside.run}, {"aside", aside.column}, {"to", aside.to}});
}

std::optional<Aside> aside_of(Column const& column) {
    if (!column.name.starts_with("weir_q") || !column.comment) return std::nullopt;
    boost::system::error_code error;
    auto const parsed = boost::json::parse(*column.comment, error);
    if (error || !parsed.is_object()) return std::nullopt;
    auto const* run = parsed.as_object().if_contains("run");
    auto const* was = parsed.as_object().if_contains("aside");
    auto const* to = parsed.as_object().if_contains("to");
    if (!run || !run->is_int64() || !was || !was->is_string() || !to || !to->is_string()) return std::nullopt;
    return Aside{run->as_int64(), std::string{was->as_string()}, std::string{to->as_string()}};
}

}  // namespace weir
