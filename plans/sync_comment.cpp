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

}  // namespace weir
