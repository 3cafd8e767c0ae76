#include "orchestrator/postgres/dial.h"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "orchestrator/postgres/wire.h"

namespace weir {
namespace {

using Clock = std::chrono::steady_clock;
using Options = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;

char const* value_of(Options const& options, std::string_view keyword) {
    for (auto const* option = options.get(); option != nullptr && option->keyword != nullptr; ++option)
        if (keyword == option->keyword && option->val != nullptr && option->val[0] != '\0') return option->val;
    return nullptr;
}

/// `postgres://u:pa/ss@host` parses as host `u`, port `pa`: libpq would then print a part of the password.
bool hides_a_password(std::string_view conninfo) {
    auto const scheme = conninfo.find("://");
    if (scheme == std::string_view::npos || scheme > 10) return false;
    auto const rest = conninfo.substr(scheme + 3, conninfo.find('?', scheme) - scheme - 3);
    auto const at = rest.rfind('@');
    return at != std::string_view::npos && rest.substr(0, at).find(':') != std::string_view::npos;
}

std::optional<Outcome> check(std::string const& conninfo) {
    static constexpr auto advice = "put the password into a PGPASSFILE or a service file";
    if (hides_a_password(conninfo)) return own_words(Fate::refused, "the database address holds a password", advice);
    char* words = nullptr;
    Options const options{PQconninfoParse(conninfo.c_str(), &words), &PQconninfoFree};
    std::unique_ptr<char, decltype(&PQfreemem)> const said{words, &PQfreemem};
    if (!options) {
        // libpq quotes what it could not read; that may be a piece of a password.
        bool const quotable = conninfo.find("pass") == std::string::npos && conninfo.find('@') == std::string::npos;
        auto why = quotable && said ? std::string{said.get()} : std::string{};
        while (!why.empty() && why.back() == '\n') why.pop_back();
        return own_words(Fate::refused, "the database address cannot be read" + (why.empty() ? why : ": " + why),
                         "postgresql://user@host:5432/database, or host=… dbname=…");
    }
    if (value_of(options, "password") != nullptr || value_of(options, "sslpassword") != nullptr)
        return own_words(Fate::refused, "the database address holds a password", advice);
    return std::nullopt;
}

std::vector<std::string> split(std::string_view list) {
    std::vector<std::string> parts;
    for (;;) {
        auto const comma = list.find(',');
        parts.emplace_back(list.substr(0, comma));
        if (comma == std::string_view::npos) return parts;
        list.remove_prefix(comma + 1);
    }
}

struct Host {
    std::optional<std::string> host, address, port;
};

/// PQconnectPoll goes to the next host only when one fails; a black hole does not. So each is tried by itself.
std::vector<Host> hosts_of(Options const& options) {
    auto const list = [&](std::string_view keyword) {
        auto const* value = value_of(options, keyword);
        return value == nullptr ? std::vector<std::string>{} : split(value);
    };
    auto const names = list("host");
    auto const addresses = list("hostaddr");
    auto const ports = list("port");
    auto const count = std::max(names.size(), addresses.size());
    bool const well_formed = (names.empty() || names.size() == count) &&
                             (addresses.empty() || addresses.size() == count) &&
                             (ports.size() <= 1 || ports.size() == count);
    if (count < 2 || !well_formed) return {Host{}};
    std::vector<Host> hosts(count);
    for (std::size_t i = 0; i < count; ++i) {
        if (!names.empty()) hosts[i].host = names[i];
        if (!addresses.empty()) hosts[i].address = addresses[i];
        if (!ports.empty()) hosts[i].port = ports[ports.size() == 1 ? 0 : i];
    }
    return hosts;
}

Handle start(std::string const& conninfo, SessionRole const& role, Host const& host) {
    // What stands before dbname gives way to the user's own; what stands after it does not.
    std::vector<char const*> keys{"keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
                                  "dbname",          "application_name",    "client_encoding"};
    std::vector<char const*> values{"10", "3", "3", "15000", conninfo.c_str(), role.application_name.c_str(), "UTF8"};
    auto const add = [&](char const* key, std::optional<std::string> const& value) {
        if (!value) return;
        keys.push_back(key);
        values.push_back(value->c_str());
    };
    add("host", host.host);
    add("hostaddr", host.address);
    add("port", host.port);
    keys.push_back(nullptr);
    values.push_back(nullptr);
    return Handle{PQconnectStartParams(keys.data(), values.data(), 1)};
}

void ignore_notice(void*, PGresult const*) {}

std::optional<Outcome> wait_until_connected(PGconn* raw, Millis limit, int abort_fd) {
    auto const end = Clock::now() + limit;
    auto const first = PQstatus(raw) == CONNECTION_BAD ? PGRES_POLLING_FAILED : PGRES_POLLING_WRITING;
    for (auto status = first; status != PGRES_POLLING_OK;) {
        if (status == PGRES_POLLING_FAILED) {
            auto outcome = failure(PQerrorMessage(raw), false);
            // Without a code nobody at the other end spoke: that may be better in a moment.
            if (outcome.sqlstate.empty()) outcome.fate = Fate::lost;
            return outcome;
        }
        auto const left = std::chrono::duration_cast<Millis>(end - Clock::now());
        std::array<pollfd, 2> fds{};
        fds[0] = {PQsocket(raw), static_cast<short>(status == PGRES_POLLING_READING ? POLLIN : POLLOUT), 0};
        fds[1] = {abort_fd, POLLIN, 0};
        if (left.count() <= 0 || ::poll(fds.data(), fds.size(), static_cast<int>(left.count())) == 0)
            return own_words(Fate::lost, "no answer from the server within " + std::to_string(limit.count()) + " ms");
        if (fds[1].revents != 0) return own_words(Fate::canceled, "connecting was cancelled");
        if (fds[0].revents != 0) status = PQconnectPoll(raw);
    }
    return std::nullopt;
}

}  // namespace

void HangUp::operator()(pg_conn* raw) const { PQfinish(raw); }

/// What libpq marks with `*` is secret: whoever needs it finds it where libpq found it, in a file or the environment.
std::string address_of(PGconn* raw, std::string const& conninfo) {
    Options const options{PQconninfo(raw), &PQconninfoFree};
    // Which service it was, the connection does not keep.
    Options const given{PQconninfoParse(conninfo.c_str(), nullptr), &PQconninfoFree};
    std::string text;
    auto const add = [&](std::string_view key, std::string_view value) {
        if (value.empty()) return;
        text += (text.empty() ? "" : " ") + std::string{key} + "='";
        for (char const c : value) text += (c == '\'' || c == '\\' ? "\\" : "") + std::string{c};
        text += "'";
    };
    auto const own = {"host",   "hostaddr",         "port",           "target_session_attrs",
                      "dbname", "application_name", "client_encoding"};
    for (auto const* option = options.get(); option != nullptr && option->keyword != nullptr; ++option)
        if (option->val != nullptr && option->dispchar[0] == '\0' &&
            std::find(own.begin(), own.end(), std::string_view{option->keyword}) == own.end())
            add(option->keyword, option->val);
    if (auto const* service = value_of(given, "service")) add("service", service);
    add("host", PQhost(raw));
    if (value_of(options, "hostaddr") != nullptr) add("hostaddr", PQhostaddr(raw));
    add("port", PQport(raw));
    add("dbname", PQdb(raw));
    // A name may lead to several machines: never to one that is behind.
    add("target_session_attrs", "primary");
    return text;
}

std::variant<Handle, Outcome> dial(std::string const& conninfo, SessionRole const& role, int abort_fd) {
    if (auto refused = check(conninfo)) return *std::move(refused);
    auto raw = start(conninfo, role, {});
    if (!raw) return own_words(Fate::lost, "out of memory");
    Options const options{PQconninfo(raw.get()), &PQconninfoFree};
    auto const hosts = hosts_of(options);
    std::string_view const timeout =
        value_of(options, "connect_timeout") == nullptr ? "" : value_of(options, "connect_timeout");
    int seconds = 0;
    std::from_chars(timeout.data(), timeout.data() + timeout.size(), seconds);
    Millis const limit{seconds > 0 ? seconds * 1000 : 10000};

    std::optional<Outcome> failed;
    for (auto const& host : hosts) {
        if (hosts.size() > 1) raw = start(conninfo, role, host);
        if (!raw) return own_words(Fate::lost, "out of memory");
        PQsetErrorVerbosity(raw.get(), PQERRORS_VERBOSE);
        PQsetNoticeReceiver(raw.get(), ignore_notice, nullptr);
        failed = wait_until_connected(raw.get(), limit, abort_fd);
        if (!failed || failed->fate == Fate::canceled) break;
    }
    if (failed) return *std::move(failed);
    return raw;
}

}  // namespace weir
