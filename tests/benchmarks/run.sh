#!/usr/bin/env bash
# Ways to fill a renamed column, one after the other, on one throwaway primary and replica, with the same rows; ratios against one UPDATE.
#
#     tests/benchmarks/run.sh                 ROWS=1000000 TABLES=three LOADS=calm, all ways: about five minutes
#     ROWS=10000000 TABLES="three uuid parts toast" LOADS="calm load readers" tests/benchmarks/run.sh        everything
#     tests/benchmarks/run.sh --micro         what the pure parts cost by themselves (micro.cpp); no server; micro.txt and micro.json
#     tests/benchmarks/run.sh --own-cost      weir's own CPU and memory at two table sizes; fails beyond 2 % or 40 MB
#     tests/benchmarks/run.sh --streams       batch times while nobody looks at the dashboard, 32 readers stay and 1000 ask at once; what a
#                                             scrape costs with 1 and with 100 runs in the ledger; streams.txt
#
# WAYS     update       one UPDATE of all rows, no triggers        update_sync  the same with weir's sync triggers, which know it for a batch
#          plain        weir, one worker, batch.order: plain       weir1 weir2  weir with one and two workers      auto  workers: auto
#          pgroll       keyset batches of 1 000 rows with a marker column and a trigger, as pgroll does it
#          loop         keyset batches of 1 000 rows, weir's sync triggers in place, as one writes it by hand
#          Both loops run inside the server, without a round trip: that is in their favour.
#          alone        nothing for ALONE (10) seconds: what the application of a load feels by itself
#          safe         weir with its default settings, from the first ALTER to the end of the proof        free  the same with throttle: none
#          safe1        as safe, with one worker
#          tight        as safe, with a limit of 500 ms for the replica's lag
# TABLES   three        5 columns, 3 indexes, full pages           uuid         random uuid key, rows of 400 bytes, 3 indexes
#          parts        as three, 16 hash partitions               toast        a jsonb of 8 kB beside it; ROWS / 20 rows
# LOADS    calm         nobody else                                load         300 requests/s of examples/load (not for uuid)
#          readers      three sessions that hold snapshots of 200 ms, one after the other
#          idle         load, and a reader of the table that is idle in its transaction for 8 s from the beginning
#          short        load, and ten short readers a second, each in a transaction of 50 ms
#          delayed      load, and a replica that replays everything 300 ms late (recovery_min_apply_delay)
#          stalled      load, and a replica whose replay stands still for 5 s, 2 s after the beginning
# TARGET   batch.target of weir's ways (default: weir's own)
# OUT      folder for bench.txt and bench.json (default build/bench)         WEIR  the program (default: the release preset's)
set -euo pipefail
cd "$(dirname "$0")/../.."
own_cost=no streams=no
[ "${1-}" != --own-cost ] || own_cost=yes
[ "${1-}" != --streams ] || streams=yes
rows=${ROWS:-1000000} out=${OUT:-build/bench}
ways=${WAYS:-update update_sync plain weir1 weir2 auto pgroll loop} tables=${TABLES:-three} loads=${LOADS:-calm}
if [ "${1-}" = --micro ]; then
    # shellcheck source=examples/install.sh
    . examples/install.sh
    install_missing build bench
    cmake --preset release -DWEIR_TESTS=OFF -DWEIR_MICRO=ON >/dev/null
    cmake --build --preset release --target micro >/dev/null
    mkdir -p "$out"
    build/release/micro --benchmark_out="$out/micro.json" --benchmark_out_format=json "${@:2}" | tee "$out/micro.txt"
    exit
fi
unset PGHOST PGHOSTADDR PGPORT PGDATABASE PGUSER PGPASSWORD PGSERVICE PGOPTIONS PGDATA PGSSLMODE
export LC_ALL=C.UTF-8
weir=${WEIR:-build/release/weir} load=build/release/examples/load
targets=()
[ -n "${WEIR-}" ] || targets+=(weir)
[ "$loads" = calm ] || [ "$loads" = readers ] || targets+=(load)
if [ ${#targets[@]} -gt 0 ]; then
    cmake --preset release -DWEIR_TESTS=OFF >/dev/null
    cmake --build --preset release --target "${targets[@]}" >/dev/null
fi
mkdir -p "$out"

# ---- servers ----------------------------------------------------------------------------------------------------------
. examples/servers.sh
new_folder
others=()
stop() {
    local pid
    for pid in "${others[@]}"; do kill "$pid" 2>/dev/null || true; done
    for pid in "${others[@]}"; do wait "$pid" 2>/dev/null || true; done
    others=()
}
cleanup() {
    stop
    for pid in ${servers[1]-} ${servers[0]-}; do kill -QUIT "$pid" 2>/dev/null || true; wait "$pid" 2>/dev/null || true; done
    rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
server "$bin/initdb" -D "$dir/primary" -A trust -U postgres -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
cat >>"$dir/primary/postgresql.conf" <<CONF
port = 5433
listen_addresses = ''
unix_socket_directories = '$dir'
shared_buffers = 512MB
max_wal_size = 8GB
min_wal_size = 3GB
checkpoint_timeout = 30min
autovacuum = off
CONF
start_server primary 5433
primary=${servers[0]}
# With a slot, so that no WAL is gone before the replica has it.
server "$bin/pg_basebackup" -d "host=$dir port=5433 user=postgres" -D "$dir/replica" -X stream -c fast --no-sync -C -S replica1
cat >>"$dir/replica/postgresql.auto.conf" <<CONF
port = 5434
primary_conninfo = 'host=$dir port=5433 user=postgres application_name=replica1'
primary_slot_name = 'replica1'
CONF
server touch "$dir/replica/standby.signal"
start_server replica 5434
url="postgresql:///postgres?host=$dir&port=5433&user=postgres"
sql() { "$bin/psql" -XqAt -v ON_ERROR_STOP=1 -d "$url" "$@"; }
caught_up() {
    for _ in {1..3000}; do
        [ "$(sql -c "select count(*) from pg_stat_replication where replay_lsn >= pg_current_wal_insert_lsn()")" = 0 ] || return 0
        sleep 0.1
    done
    echo "the replica does not catch up" >&2
    exit 1
}
# WAL segments to use again, as a server has them that did not begin a minute ago: whoever needs a new one waits for it.
for _ in 1 2; do
    sql -c "select count(pg_logical_emit_message(false, 'warm', repeat('x', 1000000))) from generate_series(1, 1000)" >/dev/null
    caught_up
    sql -c checkpoint
done

# ---- tables -----------------------------------------------------------------------------------------------------------
n=0 key=bigint least=0
# A table as new, its pages full; sets n, key and least.
fresh() {
    n=$rows key=bigint least=-1
    sql -c "set client_min_messages = error; drop table if exists t, witness cascade; drop schema if exists weir, weir_sync cascade"
    local columns="id bigint generated by default as identity, name text not null, email text, visits int default 0, at timestamptz default now()"
    local values="n, 'user number ' || n, md5(n::text), n % 1000, '2026-01-01'::timestamptz + n * interval '1 s'"
    case $1 in
        three) sql -c "create table t ($columns)" -c "insert into t select $values from generate_series(1, $n) n" ;;
        parts)
            sql -c "create table t ($columns) partition by hash (id)"
            for i in {0..15}; do sql -c "create table t$i partition of t for values with (modulus 16, remainder $i)"; done
            sql -c "insert into t select $values from generate_series(1, $n) n"
            ;;
        uuid)
            key=uuid least=00000000-0000-0000-0000-000000000000
            sql -c "create table t (id uuid default gen_random_uuid(), name text not null, email text, visits int default 0, at timestamptz default now(), a text, b text, c bigint, d numeric, e text)" \
                -c "insert into t select gen_random_uuid(), 'user number ' || n, md5(n::text), n % 1000, '2026-01-01'::timestamptz + n * interval '1 s', repeat(md5((n + 1)::text), 4), repeat(md5((n + 2)::text), 4), n, n, md5((n + 3)::text) from generate_series(1, $n) n"
            ;;
        toast)
            n=$((rows / 20))
            sql -c "create table t ($columns, doc jsonb)" \
                -c "insert into t select $values, jsonb_build_object('words', (select string_agg(md5((n * 1000 + i)::text), ' ') from generate_series(1, 250) i)) from generate_series(1, $n) n"
            ;;
        *) echo "no table $1" >&2; exit 2 ;;
    esac
    sql -c "alter table t add primary key (id)" -c "create index on t (email)" -c "create index on t (at)" \
        -c "create table witness (id bigint primary key, value text not null)"
    [ "$1" = uuid ] || sql -c "select setval(pg_get_serial_sequence('t', 'id'), $n)" >/dev/null
    sql -c "vacuum (analyze, freeze) t" -c checkpoint
    caught_up
}
plan() {
    printf '%s\n' 'weir: 1' 'name: bench' 'changes:' '  - rename_column: { table: t, from: name, to: full_name }' "batch: { $1${TARGET:+, target: $TARGET} }" 'throttle: none' >"$dir/plan.yaml"
    "$weir" run "$dir/plan.yaml" --until expand --progress none --database "$url"
}

# The whole run, as a person starts it: with its locks, paced. $1: the throttle; $2: the batch.
whole_plan() {
    local batch="${2-}${TARGET:+${2:+, }target: $TARGET}"
    printf '%s\n' 'weir: 1' 'name: bench' 'changes:' '  - rename_column: { table: t, from: name, to: full_name }' "throttle: $1" "batch: { $batch }" >"$dir/plan.yaml"
}
on_replica() { "$bin/psql" -XqAt -v ON_ERROR_STOP=1 -d "postgresql:///postgres?host=$dir&port=5434&user=postgres" "$@"; }

# ---- what is measured -------------------------------------------------------------------------------------------------
now() { date +%s.%N; }
# CPU seconds of the primary, ended backends included.
server_cpu() {
    # A backend may end between being listed and being read.
    # shellcheck disable=SC2046
    { cat "/proc/$primary/stat" $(pgrep -P "$primary" | sed 's|.*|/proc/&/stat|') 2>/dev/null || true; } |
        awk -v hz="$(getconf CLK_TCK)" -v me="$primary" '{ pid = $1; sub(/.*\) /, ""); t += $12 + $13; if (pid == me) t += $14 + $15 } END { print t / hz }'
}
figures() {
    sql -F ' ' -c "select sum(pg_table_size(oid)), sum(pg_indexes_size(oid)), pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0') from pg_class where relname ~ '^t[0-9]*$' and relkind = 'r'"
}
hot_now() { sql -F ' ' -c "select sum(n_tup_upd), sum(n_tup_hot_upd) from pg_stat_user_tables where relname ~ '^t[0-9]*$'"; }
# The worst lag, sampled four times a second: bytes and seconds.
watch_lag() {
    : >"$dir/lag"
    while sleep 0.25; do sql -F ' ' -c "select coalesce(max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)), 0), coalesce(max(extract(epoch from replay_lag)), 0) from pg_stat_replication" || break; done >>"$dir/lag" 2>/dev/null
}
# Runs weir, and writes its CPU seconds and memory (MB) into $dir/own, as seen last before its end.
run_weir() {
    local peak=0 cpu=0 seen pid
    "$weir" run "$dir/plan.yaml" --until "$1" --progress none --database "$url" 2>"$dir/weir.err" &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        seen=$(awk '/VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null || true)
        [ -z "$seen" ] || peak=$seen
        seen=$(awk -v hz="$(getconf CLK_TCK)" '{ sub(/.*\) /, ""); print ($12 + $13) / hz }' "/proc/$pid/stat" 2>/dev/null || true)
        [ -z "$seen" ] || cpu=$seen
        sleep 0.3
    done
    wait "$pid" || { cat "$dir/weir.err" >&2; exit 1; }
    awk -v peak="$peak" -v cpu="$cpu" 'BEGIN { print cpu, peak / 1024 }' >"$dir/own"
}
keyset() {
    sql <<SQL
do \$\$ declare last $key := '$least'; top $key; begin
  loop
    $1
    exit when top is null;
    last := top;
    commit;
  end loop;
end \$\$
SQL
}

header() {
    printf '%-6s %-8s %-12s %8s %9s %8s %6s %6s %5s %6s %6s %7s %7s %6s %6s %8s %7s %8s %6s %6s\n' table load way seconds rows/s WAL_MB heap index HOT% speed WAL lag_MB lag_s cpu% RSS p50_ms p99_ms max_ms errors wrong
}
one() {
    local table=$1 kind=$2 way=$3 app_began=0
    local loaded=no
    case $kind in load | idle | short | delayed | stalled) loaded=yes ;; esac
    if [ $loaded = yes ] && [ "$table" = uuid ]; then return 0; fi
    fresh "$table"
    case $way in
        update | pgroll | alone) ;;
        safe) whole_plan "{}" ;;
        safe1) whole_plan "{}" "workers: 1" ;;
        free) whole_plan none ;;
        tight) whole_plan "{ replication_lag: 500ms }" ;;
        plain) plan "workers: 1, order: plain" ;;
        weir1) plan "workers: 1" ;;
        weir2) plan "workers: 2" ;;
        auto) plan "workers: auto" ;;
        update_sync | loop) plan "workers: 1" ;;
        *) echo "no way $way" >&2; exit 2 ;;
    esac
    [[ "$way" != update && "$way" != alone ]] || sql -c "alter table t add column full_name text"
    if [ "$way" = pgroll ]; then
        sql -c "alter table t add column full_name text, add column needs_backfill boolean default true" -c "
create or replace function pgroll_up() returns trigger language plpgsql as \$\$ begin NEW.full_name := NEW.name; NEW.needs_backfill := false; return NEW; end \$\$;
create trigger pgroll_up before insert or update on t for each row execute function pgroll_up()"
    fi
    case $kind in
        load | idle | short | delayed | stalled)
            "$load" --database "host=$dir port=5433 user=postgres dbname=postgres" --table t --column name --witness witness --rate 300 --log "$dir/app.log" >"$dir/app" 2>"$dir/app.err" &
            others+=($!)
            app_began=$(now)
            sleep 2
            ;;
        readers)
            for _ in 1 2 3; do
                while "$bin/psql" -XqAt -d "$url" -c "begin isolation level repeatable read; select 1" -c "select pg_sleep(0.2)" -c commit >/dev/null 2>&1; do :; done &
                others+=($!)
            done
            ;;
    esac
    watch_lag &
    others+=($!)
    case $kind in
        idle)
            "$bin/psql" -XqAt -d "$url" -c "begin" -c "select count(*) from (select from t limit 1) x" -c "select pg_sleep(8)" -c "commit" >/dev/null 2>&1 &
            others+=($!)
            ;;
        short)
            for _ in {1..10}; do
                while "$bin/psql" -XqAt -d "$url" -c "begin" -c "select count(*) from (select from t limit 1) x" -c "select pg_sleep(0.05)" -c "commit" -c "select pg_sleep(0.9)" >/dev/null 2>&1; do :; done &
                others+=($!)
            done
            ;;
        delayed) on_replica -c "alter system set recovery_min_apply_delay = '300ms'" -c "select pg_reload_conf()" >/dev/null ;;
        stalled)
            (sleep 3 && on_replica -c "select pg_wal_replay_pause()" >/dev/null && sleep 5 && on_replica -c "select pg_wal_replay_resume()" >/dev/null) &
            others+=($!)
            ;;
    esac
    local heap index lsn heap2 index2 lsn2 upd hot upd2 hot2 cpu cpu2 began ended
    read -r heap index lsn <<<"$(figures)"
    sleep 1
    read -r upd hot <<<"$(hot_now)"
    cpu=$(server_cpu)
    echo "0 0" >"$dir/own"
    began=$(now)
    case $way in
        alone) sleep "${ALONE:-10}" ;;
        update) sql -c "update t set full_name = name" ;;
        update_sync) sql -c "begin" -c "set local weir.batch = 'on'" -c "update t set full_name = name" -c "commit" ;;
        pgroll) keyset "with b as (select id from t where id > last and needs_backfill order by id limit 1000 for no key update), u as (update t set id = t.id from b where t.id = b.id returning t.id) select max(id::text)::$key into top from (select id from b order by id desc limit 1) m where (select count(*) from u) >= 0;" ;;
        loop) keyset "select id into top from (select id from t where id > last order by id limit 1000) b order by id desc limit 1; update t set full_name = name where id > last and id <= top;" ;;
        safe | safe1 | free | tight) run_weir proof ;;
        *) run_weir backfill ;;
    esac
    ended=$(now)
    cpu2=$(server_cpu)
    stop
    case $kind in
        delayed) on_replica -c "alter system reset recovery_min_apply_delay" -c "select pg_reload_conf()" >/dev/null ;;
        stalled) on_replica -c "select case when pg_get_wal_replay_pause_state() <> 'not paused' then pg_wal_replay_resume() end" >/dev/null ;;
    esac
    sleep 1
    read -r heap2 index2 lsn2 <<<"$(figures)"
    read -r upd2 hot2 <<<"$(hot_now)"
    local wrong app='- - - -'
    wrong=0
    [ "$way" = alone ] || wrong=$(sql -c "select count(*) from t where full_name is distinct from name")
    # Only what was due while the way was at work.
    if [ $loaded = yes ]; then
        app=$(awk -v from="$app_began" -v b="$began" -v e="$ended" '$1 >= (b - from) * 1000 && $1 <= (e - from) * 1000 { print $4 / 1000, $3 }' "$dir/app.log" | sort -n |
            awk '{ t[NR] = $1; bad += $2 != "ok" } END { printf "%.1f %.1f %.1f %d", t[int((NR + 1) * 0.5)], t[int((NR + 1) * 0.99)], t[NR], bad }')
    fi
    awk -v table="$table" -v kind="$kind" -v way="$way" -v b="$began" -v e="$ended" -v n="$n" -v wal="$((lsn2 - lsn))" \
        -v heap="$heap" -v heap2="$heap2" -v index1="$index" -v index2="$index2" -v upd="$((upd2 - upd))" -v hot="$((hot2 - hot))" \
        -v cpu="$cpu" -v cpu2="$cpu2" -v own="$(cat "$dir/own")" -v app="$app" -v wrong="$wrong" -v lag="$(awk '{ if ($1 > b) b = $1; if ($2 > s) s = $2 } END { print b + 0, s + 0 }' "$dir/lag")" \
        -v base="$dir/base" -v json="$out/bench.json" 'BEGIN {
        split(own, o, " "); split(app, a, " "); split(lag, l, " ")
        s = e - b; rate = n / s
        if (way == "update") { print rate, wal > base; br = rate; bw = wal } else if ((getline line < base) > 0) { split(line, x, " "); br = x[1]; bw = x[2] }
        speed = br ? sprintf("%.2f", rate / br) : "-"; walr = bw ? sprintf("%.2f", wal / bw) : "-"
        share = o[1] > 0 ? sprintf("%.1f", 100 * o[1] / (cpu2 - cpu)) : "-"; rss = o[2] > 0 ? sprintf("%.0f", o[2]) : "-"
        h = upd > 0 ? sprintf("%.0f", 100 * hot / upd) : "-"
        printf("%-6s %-8s %-12s %8.1f %9.0f %8.0f %6.2f %6.2f %5s %6s %6s %7.1f %7.2f %6s %6s %8s %7s %8s %6s %6d\n", table, kind, way, s, rate, wal / 1e6, heap2 / heap, index2 / index1, h, speed, walr, l[1] / 1e6, l[2], share, rss, a[1], a[2], a[3], a[4], wrong)
        printf("{\"table\":\"%s\",\"load\":\"%s\",\"way\":\"%s\",\"rows\":%d,\"seconds\":%.2f,\"rows_per_second\":%.0f,\"wal_bytes\":%.0f,\"heap_growth\":%.3f,\"index_growth\":%.3f,\"hot_percent\":%s,\"speed_ratio\":%s,\"wal_ratio\":%s,\"lag_bytes\":%.0f,\"lag_seconds\":%.3f,\"server_cpu_seconds\":%.2f,\"weir_cpu_seconds\":%s,\"weir_memory_mb\":%s,\"app_p50_ms\":%s,\"app_p99_ms\":%s,\"app_max_ms\":%s,\"app_errors\":%s,\"rows_wrong\":%d}\n", table, kind, way, n, s, rate, wal, heap2 / heap, index2 / index1, h == "-" ? "null" : h, br ? speed : "null", bw ? walr : "null", l[1], l[2], cpu2 - cpu, o[1] > 0 ? o[1] : "null", o[2] > 0 ? o[2] : "null", a[1] == "-" ? "null" : a[1], a[2] == "-" ? "null" : a[2], a[3] == "-" ? "null" : a[3], a[4] == "-" ? "null" : a[4], wrong) >> (json ".lines")
    }' | tee -a "$out/bench.txt"
    case $way in
        update | pgroll | alone) ;;
        *) [ "$wrong" = 0 ] || { echo "$way left $wrong rows wrong" >&2; exit 1; } ;;
    esac
}

# ---- readers of the dashboard -------------------------------------------------------------------------------------------
http() { curl -s --noproxy '*' "$@"; }
# "seconds batches" so far
batches() { http "http://127.0.0.1:$1/metrics" | awk '/^weir_batch_duration_seconds_sum.*fill/ { s = $2 } /^weir_batch_duration_seconds_count.*fill/ { c = $2 } END { print s + 0, c + 0 }'; }
# readers PORT HOW_MANY SECONDS: their HTTP codes, counted
readers() {
    local part pids=()
    for part in 1 2 3 4; do
        http -Z --parallel-immediate --parallel-max 250 -m "$3" -o /dev/null -w '%{http_code}\n' \
            "http://127.0.0.1:$1/api/events?[1-$(($2 / 4))]" >"$dir/codes$part" 2>/dev/null &
        pids+=($!)
    done
    wait "${pids[@]}" || true  # a stream has no end of its own
}
measure_streams() {
    local port=29187 before after title
    while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
    rows=${ROWS:-3000000}
    fresh three
    printf '%s\n' 'weir: 1' 'name: bench' 'changes:' '  - rename_column: { table: t, from: name, to: full_name }' 'batch: { target: 2ms, workers: 1 }' 'throttle: none' >"$dir/plan.yaml"
    "$weir" run "$dir/plan.yaml" --progress none --database "$url" --http "127.0.0.1:$port" >/dev/null 2>&1 &
    others+=($!)
    until [ "$(batches $port | awk '{ print ($2 > 200) }')" = 1 ]; do sleep 0.2; done
    printf '%-24s %10s %10s   %s\n' readers 'ms/batch' batches answers
    for title in 'nobody' '32 stay' '1000 ask at once' 'nobody again'; do
        rm -f "$dir"/codes*
        before=$(batches $port)
        case $title in
            nobody*) sleep 3 ;;
            32*) readers $port 32 3 ;;
            1000*) readers $port 1000 1 ;;
        esac
        after=$(batches $port)
        http "http://127.0.0.1:$port/metrics" | grep -c '^weir_run_phase{.*"backfill".*} 1' >/dev/null || { echo "the fill was over too early: give more ROWS" >&2; exit 1; }
        awk -v title="$title" -v a="$before" -v b="$after" -v codes="$(cat "$dir"/codes* 2>/dev/null | sort | uniq -c | awk '{ printf "%s times %s  ", $1, $2 }')" 'BEGIN {
            split(a, x, " "); split(b, y, " "); n = y[2] - x[2]; printf "%-24s %10.2f %10d   %s\n", title, n ? 1000 * (y[1] - x[1]) / n : 0, n, codes }'
    done
    stop

    rows=1000
    fresh three
    # Both are processes that go on at the gate.
    "$weir" run "$dir/plan.yaml" --until proof --progress none --database "$url" >/dev/null
    printf '%-24s %10s %10s %10s %12s\n' 'runs in the ledger' 'ms/scrape' bytes 'runs ms' 'status ms'
    local runs scrape list status before
    for runs in 1 100; do
        [ $runs = 1 ] || sql -c "insert into weir.entries (run, seq, epoch, kind, detail) select -n, 1, 0, 'began', jsonb_build_object('name', 'old-' || n, 'catalog', (select string_agg(md5(i::text || n), '') from generate_series(1, 500) i)) from generate_series(1, $((runs - 1))) n" \
            -c "insert into weir.entries (run, seq, epoch, kind) select -n, 2, 0, 'finished' from generate_series(1, $((runs - 1))) n"
        "$weir" run "$dir/plan.yaml" --progress none --database "$url" --http "127.0.0.1:$port" >/dev/null 2>&1 &
        others+=($!)
        until http "http://127.0.0.1:$port/metrics" | grep -c '^weir_run_state{.*waiting"} 1' >/dev/null; do sleep 0.2; done
        sleep 3
        scrape=$(http -o /dev/null -w '%{time_total} %{size_download}\n' "http://127.0.0.1:$port/metrics?[1-300]" | awk '{ s += $1; b = $2 } END { print 1000 * s / NR, b }')
        list=$(for _ in 1 2 3; do http -o /dev/null -w '%{time_total}\n' "http://127.0.0.1:$port/api/runs"; sleep 2.1; done | awk '{ s += $1 } END { print 1000 * s / NR }')
        status=$(before=$(date +%s%N); for _ in 1 2 3 4 5; do "$weir" status --metrics --database "$url" >/dev/null; done; echo $((($(date +%s%N) - before) / 5000000)))
        printf '%-24s %10.2f %10d %10.1f %12d\n' $runs $scrape "$list" "$status"
        stop
    done
}
if [ $streams = yes ]; then
    exec > >(tee "$out/streams.txt")  # no pipe: what it starts must be known to cleanup()
    measure_streams
    exit
fi

rm -f "$out/bench.json.lines"
: >"$out/bench.txt"
header | tee -a "$out/bench.txt"
if [ $own_cost = yes ]; then
    for rows in 200000 $((${ROWS:-1000000})); do one three calm weir1; done
else
    for kind in $loads; do
        for table in $tables; do
            rm -f "$dir/base"
            for way in $ways; do one "$table" "$kind" "$way"; done
        done
    done
fi
awk 'BEGIN { print "[" } { printf "%s%s", (NR > 1 ? ",\n" : ""), $0 } END { print "\n]" }' "$out/bench.json.lines" >"$out/bench.json"
rm -f "$out/bench.json.lines"
if [ $own_cost = yes ]; then
    awk 'NR > 1 && ($14 > 2 || $15 > 40) { bad = 1 } END { if (bad) { print "weir itself costs more than 2 % of the server'"'"'s CPU time, or more than 40 MB"; exit 1 } }' "$out/bench.txt"
fi
