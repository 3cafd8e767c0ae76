#include <boost/json.hpp>

#include "plans/catalog.h"

namespace weir {

std::string sync_comment(Sync const& sync) {
    boost::json::object object{{"weir", 1},           {"run", sync.run},         {"number", sync.number},
                               {"from", sync.from},   {"to", sync.to},           {"two_way", sync.two_way},
                               {"forward", sync.forward}, {"reverse", sync.reverse}};
    boost::json::array reads;
    for (auto const& column : sync.reads) reads.emplace_back(column);
    object["reads"] = std::move(reads);
    return boost::json::serialize(object);
}

}  // namespace weir
