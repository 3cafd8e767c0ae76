#include "tests/support/schema_dump.h"

#include <array>
#include <string_view>

#include "tests/support/cluster.h"

namespace weir::tests {
namespace {

// Each gives one column of text. `ours(oid)` and `acl(list, kind, owner)` are made by the prologue in pg_temp.
constexpr std::array<std::string_view, 14> questions{
    R"(SELECT format('schema %I owner %s acl %s', nspname, nspowner::regrole, pg_temp.acl(nspacl, 'n', nspowner))
       FROM pg_namespace n WHERE pg_temp.ours(n.oid) ORDER BY 1)",

    R"(SELECT format('extension %I %s', extname, extversion) FROM pg_extension ORDER BY 1)",

    // Tables, views, sequences, foreign and partitioned tables.
    R"(SELECT format('%s %s owner %s persistence %s am %s options %s replident %s rls %s%s acl %s%s%s%s%s',
                     CASE relkind WHEN 'r' THEN 'table' WHEN 'p' THEN 'partitioned table' WHEN 'v' THEN 'view'
                                  WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence' WHEN 'f' THEN 'foreign table'
                                  ELSE relkind::text END,
                     c.oid::regclass, relowner::regrole, relpersistence,
                     (SELECT amname FROM pg_am a WHERE a.oid = relam), reloptions, relreplident, relrowsecurity,
                     relforcerowsecurity, pg_temp.acl(relacl, CASE relkind WHEN 'S' THEN 's' ELSE 'r' END, relowner),
                     ' partition by ' || pg_get_partkeydef(c.oid), ' bound ' || pg_get_expr(relpartbound, c.oid),
                     ' inherits ' || (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                                      FROM pg_inherits WHERE inhrelid = c.oid),
                     CASE WHEN relkind IN ('v', 'm') THEN E'\n' || pg_get_viewdef(c.oid) END)
       FROM pg_class c WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND pg_temp.ours(relnamespace)
         AND NOT pg_temp.of_extension('pg_class', c.oid) ORDER BY 1)",

    R"(SELECT format('column %s.%I number %s type %s%s%s%s%s%s storage %s compression %s target %s options %s local %s acl %s',
                     c.oid::regclass, attname, row_number() OVER (PARTITION BY c.oid ORDER BY attnum),
                     format_type(atttypid, atttypmod),
                     ' collate ' || (SELECT l.oid::regcollation FROM pg_collation l
                                     WHERE l.oid = attcollation AND attcollation <> t.typcollation),
                     CASE WHEN attnotnull THEN ' not null' END, ' default ' || pg_get_expr(adbin, adrelid),
                     ' identity ' || nullif(attidentity::text, ''), ' generated ' || nullif(attgenerated::text, ''),
                     attstorage, nullif(attcompression::text, ''), coalesce(attstattarget, -1),
                     (SELECT array_agg(o) FROM unnest(attoptions) o WHERE o NOT LIKE 'pg_attver=%'), attislocal,
                     pg_temp.acl(attacl, 'c', relowner))
       FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid JOIN pg_type t ON t.oid = atttypid
       LEFT JOIN pg_attrdef d ON adrelid = attrelid AND adnum = attnum
       WHERE attnum > 0 AND NOT attisdropped AND relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND pg_temp.ours(relnamespace)
         AND NOT pg_temp.of_extension('pg_class', c.oid)
       ORDER BY c.oid::regclass::text, attnum)",

    R"(SELECT format('sequence %s type %s start %s increment %s min %s max %s cache %s cycle %s%s', seqrelid::regclass,
                     seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle,
                     (SELECT format(' owned by %s.%I %s', refobjid::regclass, attname, deptype) FROM pg_depend
                      JOIN pg_attribute ON attrelid = refobjid AND attnum = refobjsubid
                      WHERE classid = 'pg_class'::regclass AND objid = seqrelid AND deptype IN ('a', 'i') AND refobjsubid > 0))
       FROM pg_sequence JOIN pg_class c ON c.oid = seqrelid WHERE pg_temp.ours(relnamespace) ORDER BY 1)",

    R"(SELECT format('constraint %I on %s %s validated %s local %s', conname,
                     coalesce(nullif(conrelid, 0)::regclass::text, nullif(contypid, 0)::regtype::text),
                     pg_get_constraintdef(oid), convalidated, conislocal)
       FROM pg_constraint WHERE pg_temp.ours(connamespace) AND contype <> 't'
         AND (conrelid <> 0 OR contypid <> 0) ORDER BY 1)",

    R"(SELECT format('index %s valid %s ready %s clustered %s replident %s%s', pg_get_indexdef(indexrelid), indisvalid,
                     indisready, indisclustered, indisreplident,
                     (SELECT string_agg(format(' target %s=%s', attnum, attstattarget), '' ORDER BY attnum) FROM pg_attribute
                      WHERE attrelid = indexrelid AND attstattarget >= 0))
       FROM pg_index JOIN pg_class c ON c.oid = indrelid WHERE pg_temp.ours(relnamespace) ORDER BY 1)",

    R"(SELECT format('trigger %s enabled %s', pg_get_triggerdef(g.oid), tgenabled)
       FROM pg_trigger g JOIN pg_class c ON c.oid = tgrelid
       WHERE NOT tgisinternal AND pg_temp.ours(relnamespace) ORDER BY 1)",

    R"(SELECT format('rule %s enabled %s', pg_get_ruledef(r.oid), ev_enabled)
       FROM pg_rewrite r JOIN pg_class c ON c.oid = ev_class
       WHERE rulename <> '_RETURN' AND pg_temp.ours(relnamespace) ORDER BY 1)",

    R"(SELECT format('policy %I on %s %s %s to %s using %s check %s', polname, polrelid::regclass, polcmd, polpermissive,
                     (SELECT string_agg(CASE r WHEN 0 THEN 'public' ELSE r::regrole::text END, ', ' ORDER BY r)
                      FROM unnest(polroles) r),
                     pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
       FROM pg_policy JOIN pg_class c ON c.oid = polrelid WHERE pg_temp.ours(relnamespace) ORDER BY 1)",

    R"(SELECT format(E'routine %s owner %s acl %s\n%s', p.oid::regprocedure, proowner::regrole,
                     pg_temp.acl(proacl, 'f', proowner),
                     CASE WHEN prokind IN ('f', 'p', 'w') THEN pg_get_functiondef(p.oid) END)
       FROM pg_proc p WHERE pg_temp.ours(pronamespace) AND NOT pg_temp.of_extension('pg_proc', p.oid) ORDER BY 1)",

    R"(SELECT format('type %s %s owner %s acl %s%s%s%s%s', t.oid::regtype, typtype, typowner::regrole,
                     pg_temp.acl(typacl, 'T', typowner),
                     (SELECT ' values ' || string_agg(quote_literal(enumlabel), ', ' ORDER BY enumsortorder)
                      FROM pg_enum WHERE enumtypid = t.oid),
                     ' base ' || CASE typtype WHEN 'd' THEN format_type(typbasetype, typtypmod) END,
                     CASE WHEN typnotnull THEN ' not null' END, ' default ' || typdefault)
       FROM pg_type t LEFT JOIN pg_class c ON c.oid = typrelid
       WHERE pg_temp.ours(typnamespace) AND typcategory <> 'A' AND (typrelid = 0 OR relkind = 'c')
         AND NOT pg_temp.of_extension('pg_type', t.oid) ORDER BY 1)",

    R"(SELECT format('statistics %s target %s', pg_get_statisticsobjdef(s.oid), coalesce(stxstattarget, -1))
       FROM pg_statistic_ext s WHERE pg_temp.ours(stxnamespace)
       UNION ALL
       SELECT format('publication %I all %s %s%s%s%s via root %s', pubname, puballtables, pubinsert, pubupdate, pubdelete,
                     pubtruncate, pubviaroot) FROM pg_publication
       UNION ALL
       SELECT format('publication %I table %I.%I columns %s where %s', pubname, schemaname, tablename, attnames, rowfilter)
       FROM pg_publication_tables t JOIN pg_namespace n ON nspname = schemaname WHERE pg_temp.ours(n.oid)
       UNION ALL
       SELECT format('event trigger %I on %s %s %s %s', evtname, evtevent, evttags, evtfoid::regproc, evtenabled)
       FROM pg_event_trigger
       ORDER BY 1)",

    R"(SELECT format('comment on %s %s: %s', w.type, w.identity, quote_literal(description))
       FROM pg_description d, pg_identify_object(classoid, objoid, objsubid) w
       LEFT JOIN pg_namespace n ON nspname = coalesce(w.schema, CASE w.type WHEN 'schema' THEN w.name END)
       WHERE (n.oid IS NULL OR pg_temp.ours(n.oid))
         AND w.type IN ('schema', 'table', 'table column', 'view', 'view column', 'materialized view', 'sequence', 'index',
                        'table constraint', 'domain constraint', 'trigger', 'policy', 'function', 'procedure', 'type',
                        'statistics object', 'publication')
         AND coalesce(w.schema, '') NOT IN ('pg_catalog', 'information_schema') ORDER BY 1)"};

}  // namespace

std::string schema_dump(std::string const& conninfo, std::vector<std::string> const& excluded) {
    Client client{conninfo};
    std::string names = "'information_schema'";
    for (auto const& schema : excluded) names += ", " + sql_literal(schema);
    client.exec("SET search_path = ''");
    client.exec(
        "CREATE FUNCTION pg_temp.ours(schema oid) RETURNS boolean LANGUAGE sql STABLE AS $f$"
        " SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE oid = schema"
        " AND nspname NOT LIKE 'pg\\_%' AND nspname NOT IN (" +
        names + ")) $f$");
    client.exec(
        "CREATE FUNCTION pg_temp.of_extension(catalog regclass, object oid) RETURNS boolean LANGUAGE sql STABLE AS"
        " $f$ SELECT EXISTS (SELECT FROM pg_catalog.pg_depend WHERE classid = catalog AND objid = object"
        " AND deptype = 'e') $f$");
    // aclexplode names every right on its own, so that the order in which they were granted does not matter.
    client.exec(
        "CREATE FUNCTION pg_temp.acl(list aclitem[], kind text, owner oid) RETURNS text LANGUAGE sql STABLE AS"
        " $f$ SELECT string_agg(format('%s=%s%s', CASE grantee WHEN 0 THEN 'public' ELSE grantee::regrole::text END,"
        " privilege_type, CASE WHEN is_grantable THEN '*' END), ',' ORDER BY grantee::regrole::text, privilege_type,"
        " is_grantable) FROM aclexplode(coalesce(list, acldefault(kind::\"char\", owner))) $f$");
    std::string dump;
    for (auto const question : questions)
        for (auto const& row : client.exec(std::string{question})) dump += row[0].value_or("") + "\n";
    return dump;
}

}  // namespace weir::tests
