# Throwaway PostgreSQL servers on sockets in a folder of their own. To be sourced, by scripts with `set -euo pipefail`.
# Sets `bin` (the server's programs) and, by new_folder, `dir`. Whoever sources it ends what is in `servers` (SIGQUIT) and
# removes `dir`.
bin=$(pg_config --bindir 2>/dev/null || true)
[ -x "$bin/postgres" ] || bin=$(dirname "$(find /usr/lib/postgresql -name postgres -path '*/bin/*' | sort -V | tail -n 1)")
servers=() as_server=()

new_folder() {
    dir=$(mktemp -d /tmp/weir-XXXXXX)
    chmod 755 "$dir"
    # Servers refuse to run as root.
    if [ "$(id -u)" = 0 ]; then
        chown postgres: "$dir"
        as_server=(setpriv --reuid=postgres --regid=postgres --init-groups)
    fi
}

# A program in the folder, as the user of the servers.
server() { (cd "$dir" && exec "${as_server[@]}" "$@"); }

# start_server NAME PORT: the one in $dir/NAME; returns when it takes connections.
start_server() {
    # The kernel ends it when this script dies, however that happens; Ctrl-C reaches it only through cleanup.
    (cd "$dir" && exec setsid setpriv ${as_server:+"${as_server[@]:1}"} --pdeathsig INT "$bin/postgres" -D "$dir/$1" >"$dir/$1.log" 2>&1) &
    servers+=($!)
    for _ in {1..600}; do
        ! "$bin/pg_isready" -q -h "$dir" -p "$2" || return 0
        sleep 0.1
    done
    echo "the server $1 does not start:" >&2
    tail -n 20 "$dir/$1.log" >&2
    return 1
}
