#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>
#include <boost/uuid/uuid_io.hpp>

#include "plans/plan.h"

namespace weir {

std::string fingerprint(std::string_view text) {
    boost::uuids::name_generator_sha1 const generate{boost::uuids::ns::oid()};
    return boost::uuids::to_string(generate(text.data(), text.size()));
}

}  // namespace weir
