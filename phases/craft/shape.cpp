#include "phases/craft/shape.h"

#include <cstdint>

namespace weir {

Sql check_kinds(TableName const& table) {
    return sql("SELECT weir.check_kinds(pg_catalog.to_regclass({0}))", Value{sql("{0}", table).text()});
}

Sql check_rules(TableName const& table, bool deletes) {
    return sql("SELECT weir.check_rules(pg_catalog.to_regclass({0}), {1})", Value{sql("{0}", table).text()},
               Value{deletes ? "DELETE" : "UPDATE"});
}

Sql note_shape(TableName const& table, RunId run, std::string const& proof) {
    return sql("SELECT weir.note_shape({0}, {1}, ARRAY[{2}, {3}])", Value{sql("{0}", table).text()},
               Int{static_cast<std::int64_t>(run)}, Value{proof}, Value{proof + ".back"});
}

Sql check_shape(TableName const& table, RunId run, std::string const& proof) {
    return sql("SELECT weir.check_shape({0}, {1}, {2})", Value{sql("{0}", table).text()},
               Int{static_cast<std::int64_t>(run)}, Value{proof});
}

}  // namespace weir
