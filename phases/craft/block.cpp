#include "phases/craft/block.h"

namespace weir {

Sql block(Sql const& variables, Sql const& body) {
    return sql("DO {0}", Sql::body(sql(R"(
DECLARE
  path pg_catalog.text := pg_catalog.current_setting('search_path');
{0}
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
{1}
  PERFORM pg_catalog.set_config('search_path', path, true);
END
)",
                                       variables, body)));
}

}  // namespace weir
