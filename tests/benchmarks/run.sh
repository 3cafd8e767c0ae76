#!/usr/bin/env bash
# Compares ways to fill a renamed column, in one run, on one server, with the same rows; ratios against one UPDATE.
#
#     [ROWS=1000000] [WAYS="update loop weir1 weir2"] [OUT=FOLDER] tests/benchmarks/run.sh
#
# update   one UPDATE of all rows, no triggers                loop    keyset batches of 1 000 rows in a psql loop, sync triggers in place
# weir1    weir with one worker, unthrottled, sync triggers   weir2   the same with two workers
# Writes bench.txt and bench.json into OUT (default: build/bench).
set -euo pipefail
cd "$(dirname "$0")/../.."
rows=${ROWS:-1000000} ways=${WAYS:-update loop weir1 weir2} out=${OUT:-build/bench}
unset PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGSERVICE PGOPTIONS PGDATA PGSSLMODE
export LC_ALL=C.UTF-8
weir=${WEIR:-build/release/weir}
[ -x "$weir" ] || { cmake --preset release -DWEIR_TESTS=OFF >/dev/null && cmake --build --preset release --target weir; }
mkdir -p "$out"

bin=$(pg_config --bindir 2>/dev/null || true)
[ -x "$bin/postgres" ] || bin=$(dirname "$(find /usr/lib/postgresql -name postgres -path '*/bin/*' | sort -V | tail -n 1)")
dir=$(mktemp -d /tmp/weir-XXXXXX)
chmod 755 "$dir"
as_server=()
if [ "$(id -u)" = 0 ]; then
    chown postgres: "$dir"
    as_server=(setpriv --reuid=postgres --regid=postgres --init-groups)
fi
server=''
cleanup() {
    [ -z "$server" ] || { kill -QUIT "$server" 2>/dev/null; wait "$server" 2>/dev/null; } || true
    rm -rf "$dir"
}
trap cleanup EXIT
(cd "$dir" && "${as_server[@]}" "$bin/initdb" -D "$dir/data" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null)
cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$dir'
shared_buffers = 512MB
max_wal_size = 8GB
checkpoint_timeout = 30min
autovacuum = off
CONF
(cd "$dir" && exec "${as_server[@]}" "$bin/postgres" -D "$dir/data" >"$dir/log" 2>&1) &
server=$!
for _ in {1..300}; do ! "$bin/pg_isready" -q -h "$dir" || break; sleep 0.1; done
url="postgresql:///postgres?host=$dir&user=postgres"
sql() { "$bin/psql" -XqAt -v ON_ERROR_STOP=1 -d "$url" "$@"; }

# Three indexes beside the filled column, pages full: nothing is HOT by itself.
fresh() {
    sql -c "drop table if exists t; drop schema if exists weir, weir_sync cascade" 2>/dev/null
    sql <<SQL
create table t (id bigint primary key, name text not null, email text, visits int, at timestamptz default now());
insert into t select n, 'user number ' || n, md5(n::text), n % 1000, '2026-01-01'::timestamptz + n * interval '1 s' from generate_series(1, $rows) n;
create index on t (email); create index on t (at);
vacuum (analyze, freeze) t;
checkpoint;
SQL
}
plan() {
    cat >"$dir/plan.yaml" <<YAML
weir: 1
name: bench
changes:
  - rename_column: { table: t, from: name, to: full_name }
batch: { workers: $1 }
throttle: none
YAML
}
now() { date +%s.%N; }
filled() { sql -c "select count(*) from t where full_name is distinct from name"; }

: >"$out/bench.txt"
printf '%-8s %10s %12s %10s %10s %8s %8s %8s\n' way seconds rows/s WAL_MB growth HOT speed WAL | tee -a "$out/bench.txt"
base_rate='' base_wal='' json='[]'
for way in $ways; do
    fresh
    case $way in
        update | loop) [ $way = update ] || { plan 1; "$weir" run "$dir/plan.yaml" --until expand --progress none --database "$url"; } ;;
        weir*) plan "${way#weir}"; "$weir" run "$dir/plan.yaml" --until expand --progress none --database "$url" ;;
    esac
    [ $way != update ] || sql -c "alter table t add column full_name text"
    size=$(sql -c "select pg_total_relation_size('t')")
    sql -c "select pg_stat_reset()" >/dev/null
    lsn=$(sql -c "select pg_current_wal_insert_lsn()")
    began=$(now)

    case $way in
        update) sql -c "update t set full_name = name" ;;
        loop)
            sql <<SQL
do \$\$ declare last bigint := 0; top bigint; begin
  loop
    select max(id) into top from (select id from t where id > last order by id limit 1000) b;
    exit when top is null;
    update t set full_name = name where id > last and id <= top;
    last := top;
    commit;
  end loop;
end \$\$
SQL
            ;;
        weir*) "$weir" run "$dir/plan.yaml" --until backfill --progress none --database "$url" ;;
    esac
    ended=$(now)
    wal=$(sql -c "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '$lsn')")
    grown=$(sql -c "select round(pg_total_relation_size('t')::numeric / $size, 2)")
    sleep 1
    hot=$(sql -c "select round(100.0 * n_tup_hot_upd / greatest(n_tup_upd, 1)) from pg_stat_user_tables where relname = 't'")
    wrong=$(filled)
    [ "$wrong" = 0 ] || { echo "$way left $wrong rows wrong" >&2; exit 1; }
    line=$(awk -v way=$way -v b=$began -v e=$ended -v rows=$rows -v wal=$wal -v grown=$grown -v hot=$hot -v br="$base_rate" -v bw="$base_wal" 'BEGIN {
        s = e - b; rate = rows / s; if (br == "") { br = rate; bw = wal }
        printf "%-8s %10.1f %12.0f %10.0f %10.2f %7s%% %8.2f %8.2f", way, s, rate, wal / 1e6, grown, hot, rate / br, wal / bw }')
    echo "$line" | tee -a "$out/bench.txt"
    if [ -z "$base_rate" ]; then
        base_rate=$(awk -v b=$began -v e=$ended -v rows=$rows 'BEGIN { print rows / (e - b) }')
        base_wal=$wal
    fi
done
awk 'NR > 1 { gsub("%", "", $6); printf "%s{\"way\":\"%s\",\"seconds\":%s,\"rows_per_second\":%s,\"wal_mb\":%s,\"growth\":%s,\"hot_percent\":%s,\"speed\":%s,\"wal\":%s}", (NR > 2 ? ",\n " : "["), $1, $2, $3, $4, $5, $6, $7, $8 } END { print "]" }' "$out/bench.txt" >"$out/bench.json"
