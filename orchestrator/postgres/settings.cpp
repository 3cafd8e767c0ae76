#include "orchestrator/postgres/settings.h"

#include <algorithm>
#include <boost/json.hpp>

#include "orchestrator/postgres/ask.h"
#include "orchestrator/postgres/trial.h"
#include "plans/keys.h"

namespace weir {
namespace {

namespace json = boost::json;

std::string text(json::value const& value) {
    return value.is_string() ? std::string{value.get_string().data(), value.get_string().size()} : std::string{};
}

SessionSetting setting(json::object const& of) {
    SessionSetting made{text(of.at("name")), text(of.at("value")), text(of.at("from"))};
    made.hidden = of.contains("hidden");
    return made;
}

}  // namespace

Batch settings_batch(std::vector<TableName> const& tables) {
    std::vector<Sql> names;
    std::vector<Sql> schemas;
    std::vector<Sql> relations;
    for (auto const& key : keys::session) names.push_back(sql("{0}", Value{std::string{key.name}}));
    for (auto const& table : tables) {
        schemas.push_back(sql("{0}", Value{table.schema.text()}));
        relations.push_back(sql("{0}", Value{table.name.text()}));
    }
    // TO DEFAULT gives what the session began with, and `source` then tells whose word that is. Whose value stands
    // behind that of a role or a client, no session can see.
    return trial(
        {sql("SET LOCAL search_path = pg_catalog, pg_temp"),
         sql("DO {0}", Sql::body(sql(R"(
DECLARE
  names CONSTANT text[] := ARRAY[{0}]::text[];
  ours jsonb; began jsonb; list jsonb; found jsonb := '{{}}';
  owner record; one record;
  name text; last text; value text; source text; good boolean;
BEGIN
  SELECT pg_catalog.jsonb_object_agg(pg_catalog.lower(s.name), s.setting) INTO ours
    FROM pg_catalog.pg_settings s WHERE pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) ANY (names);
  FOREACH name IN ARRAY names LOOP
    EXECUTE pg_catalog.format('SET LOCAL %I TO DEFAULT', name);
  END LOOP;
  SELECT pg_catalog.jsonb_object_agg(pg_catalog.lower(s.name), pg_catalog.jsonb_build_object('value', s.setting, 'source', s.source)) INTO began
    FROM pg_catalog.pg_settings s WHERE pg_catalog.lower(s.name) OPERATOR(pg_catalog.=) ANY (names);
  SET LOCAL search_path = pg_catalog, pg_temp;
  FOR owner IN
    SELECT DISTINCT r.oid, r.rolname FROM unnest(ARRAY[{1}]::text[], ARRAY[{2}]::text[]) AS w(schema, name)
    JOIN pg_namespace n ON n.nspname = w.schema
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
    JOIN pg_roles r ON r.oid = c.relowner
  LOOP
    list := '[]';
    last := '';
    FOR one IN
      SELECT lower(split_part(e.text, '=', 1)) AS name, substr(e.text, strpos(e.text, '=') + 1) AS value,
        CASE WHEN d.setrole = 0 AND d.setdatabase = 0 THEN 'all roles'
             WHEN d.setrole = 0 THEN 'database ' || current_database()
             WHEN d.setdatabase = 0 THEN 'role ' || owner.rolname
             ELSE 'role ' || owner.rolname || ' in database ' || current_database() END AS said
      FROM pg_db_role_setting d CROSS JOIN LATERAL unnest(d.setconfig) AS e(text)
      WHERE d.setrole IN (owner.oid, 0)
        AND d.setdatabase IN ((SELECT b.oid FROM pg_database b WHERE b.datname = current_database()), 0)
      ORDER BY 1, d.setrole = 0, d.setdatabase = 0
    LOOP
      CONTINUE WHEN one.name = last;
      CONTINUE WHEN one.name <> ALL (names) AND (strpos(one.name, '.') = 0 OR one.name LIKE 'weir.%' OR EXISTS (
        SELECT FROM pg_settings s WHERE lower(s.name) = one.name AND s.context <> 'user'));
      value := one.value;
      IF one.name = 'search_path' THEN
        value := regexp_replace(value, '(^|,)(\s*)("\$user"|\$user)(?=\s*(,|$))', '\1\2' || replace(quote_ident(owner.rolname), '\', '\\'), 'g');
      END IF;
      BEGIN
        PERFORM set_config(one.name, value, true);
        good := true;
        RAISE EXCEPTION USING ERRCODE = 'WE103';
      EXCEPTION
        WHEN SQLSTATE 'WE103' THEN NULL;
        WHEN OTHERS THEN good := false;
      END;
      CONTINUE WHEN NOT good;
      last := one.name;
      list := list || jsonb_build_object('name', one.name, 'value', value, 'from', one.said);
    END LOOP;
    FOREACH name IN ARRAY names LOOP
      CONTINUE WHEN list @> jsonb_build_array(jsonb_build_object('name', name));
      value := began->name->>'value';
      source := began->name->>'source';
      IF source IN ('client', 'user', 'database user') THEN
        list := list || jsonb_build_object('name', name, 'value', value, 'hidden', true,
          'from', CASE source WHEN 'client' THEN 'the options of weir''s connection' ELSE 'the settings of role ' || session_user END);
        CONTINUE;
      END IF;
      IF name = 'search_path' THEN
        value := regexp_replace(value, '(^|,)(\s*)("\$user"|\$user)(?=\s*(,|$))', '\1\2' || replace(quote_ident(owner.rolname), '\', '\\'), 'g');
      END IF;
      IF value <> ours->>name THEN
        list := list || jsonb_build_object('name', name, 'value', value, 'from', 'the server');
      END IF;
    END LOOP;
    found := found || jsonb_build_object(owner.rolname, list);
  END LOOP;
  RAISE EXCEPTION USING ERRCODE = 'WE100', MESSAGE = found::text;
END
)",
                                     Sql::join(names, ", "), Sql::join(schemas, ", "), Sql::join(relations, ", "))))});
}

std::variant<std::map<std::string, std::vector<SessionSetting>>, Problem> settings_answer(Outcome const& outcome) {
    auto const answer = trial_answer(outcome);
    if (!answer) return problem_of(outcome, "cannot read the settings of the tables' owners");
    std::map<std::string, std::vector<SessionSetting>> all;
    try {
        auto const read = json::parse(answer->words);
        for (auto const& [owner, list] : read.as_object()) {
            auto& settings = all[std::string{owner.data(), owner.size()}];
            for (auto const& one : list.as_array()) settings.push_back(setting(one.as_object()));
            std::sort(settings.begin(), settings.end(), [](auto const& a, auto const& b) { return a.name < b.name; });
        }
    } catch (std::exception const&) {
        return Problem{Code::statement_refused, {}, "cannot read the settings of the tables' owners", ""};
    }
    return all;
}

}  // namespace weir
