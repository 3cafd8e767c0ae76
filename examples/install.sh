# Sourced by examples/quickstart.sh and tests/run.sh: installs the packages that are missing, and nothing else.
# install_missing build|tests|bench|quickstart|pictures...
# shellcheck shell=bash

# The one list of packages. Another system gets its names here.
packages_of() {
    local system=$1 part=$2
    case $system:$part in
        debian-12:build)
            echo g++ cmake ninja-build pkg-config libboost1.81-dev libboost-program-options1.81-dev libpqxx-dev \
                libpq-dev libpg-query-dev libyaml-cpp-dev libhowardhinnant-date-dev tzdata prometheus-cpp-dev libcurl4-openssl-dev libssl-dev ;;
        debian-12:tests) echo libgtest-dev libgmock-dev patch postgresql-15 postgresql-client-15 prometheus pgbouncer chromium chromium-driver ;;
        debian-12:fuzz) echo clang libclang-rt-14-dev ;;
        debian-12:bench) echo libbenchmark-dev ;;
        debian-12:pictures) echo postgresql-15 postgresql-client-15 curl util-linux tmux chromium chromium-driver ;;
        debian-12:quickstart) echo postgresql-15 postgresql-client-15 curl util-linux ;;
        *) return 1 ;;
    esac
}

install_missing() {
    local system part package wanted='' missing=() root=()
    # shellcheck source=/dev/null
    system=$(. /etc/os-release && echo "${ID:-unknown}-${VERSION_ID:-}")
    for part; do
        if ! wanted+=" $(packages_of "$system" "$part")"; then
            echo "package names are known for Debian 12 only, and this is $system; going on with what is installed." >&2
            echo "hint: if something is missing, it is one of what Debian 12 calls:" >&2
            printf '    %s\n' "$(packages_of debian-12 build)" "$(packages_of debian-12 tests)" >&2
            return 0
        fi
    done
    for package in $wanted; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || missing+=("$package")
    done
    [ ${#missing[@]} -gt 0 ] || return 0

    echo "installing: ${missing[*]}"
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || { echo "these packages are missing, and there is no sudo: run this as root" >&2; return 1; }
        root=(sudo)
    fi
    root+=(env DEBIAN_FRONTEND=noninteractive)
    "${root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 update || return 1
    local plan
    plan=$("${root[@]}" apt-get -s install -y --no-install-recommends "${missing[@]}") || return 1
    if grep -q '^Remv ' <<<"$plan"; then
        echo "apt would remove packages of this system, so nothing was installed:" >&2
        grep '^Remv ' <<<"$plan" | sed 's/^Remv /    /' >&2
        echo "hint: remove them yourself if you can do without them, or use a machine of its own" >&2
        return 1
    fi
    local quiet=() service result=0
    for service in prometheus pgbouncer; do
        if grep -q "^Inst $service " <<<"$plan"; then quiet+=("$service"); fi
    done
    for service in "${quiet[@]}"; do hold_service "$service"; done
    if grep -Eq '^Inst postgresql-[0-9]+ ' <<<"$plan"; then
        install_server_quietly "${missing[@]}" || result=1
    else
        "${root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "${missing[@]}" || result=1
    fi
    for service in "${quiet[@]}"; do release_service "$service"; done
    return $result
}

# The packages prometheus and pgbouncer start a server of their own on ports 9090 and 6432, now and at every boot; the tests
# start theirs themselves. Both use root[] of the caller.
hold_service() {
    [ ! -d /run/systemd/system ] || "${root[@]}" systemctl mask --quiet "$1.service" 2>/dev/null || true
}

release_service() {
    if [ -d /run/systemd/system ]; then
        "${root[@]}" systemctl unmask --quiet "$1.service" || true
        "${root[@]}" systemctl disable --quiet "$1.service" 2>/dev/null || true
    elif [ -e "/etc/init.d/$1" ]; then
        "${root[@]}" "/etc/init.d/$1" stop >/dev/null 2>&1 || true
        "${root[@]}" update-rc.d "$1" disable >/dev/null 2>&1 || true
    fi
}

# A PostgreSQL package makes and starts a server of its own on port 5432 unless it is told not to. Uses root[] of the caller.
install_server_quietly() {
    local conf=/etc/postgresql-common/createcluster.conf kept=/etc/postgresql-common/createcluster.conf.kept-by-weir result=0
    "${root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends postgresql-common || return 1
    [ -e "$kept" ] || "${root[@]}" cp -p "$conf" "$kept" || return 1
    "${root[@]}" sed -i -e 's/^[[:space:]]*create_main_cluster.*//' -e '$a create_main_cluster = false' "$conf" &&
        "${root[@]}" apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" || result=1
    "${root[@]}" mv "$kept" "$conf" || result=1
    return $result
}
