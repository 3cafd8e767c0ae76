#include "orchestrator/http/listener.h"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>
#include <charconv>
#include <deque>
#include <set>
#include <string_view>
#include <utility>

#include "metrics/dashboard.h"

namespace weir {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Answer = http::response<http::string_body>;

constexpr std::string_view plain = "text/plain; charset=utf-8";
constexpr std::string_view exposition = "text/plain; version=0.0.4; charset=utf-8";
constexpr std::string_view document = "application/json; charset=utf-8";
constexpr std::string_view event_stream = "text/event-stream; charset=utf-8";
constexpr std::string_view events_path = "/api/events";
constexpr std::string_view runs_path = "/api/runs";
/// For a client without an idea of its own.
constexpr std::string_view retry = "retry: 2000\n\n";
constexpr std::string_view frame_end = "\n\n";
constexpr std::string_view busy =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n"
    "Retry-After: 5\r\nConnection: close\r\n\r\ntoo many connections\n";

struct HostPort {
    std::string host;
    std::optional<std::uint16_t> port;
};

/// `host`, `host:port`, `[v6]` or `[v6]:port`; nothing when it is none of them.
std::optional<HostPort> split(std::string_view text) {
    HostPort parts;
    std::string_view rest;
    if (text.starts_with('[')) {
        auto const close = text.find(']');
        if (close == std::string_view::npos) return {};
        parts.host = text.substr(1, close - 1);
        rest = text.substr(close + 1);
        error_code wrong;
        if (asio::ip::make_address_v6(parts.host, wrong); wrong) return {};
    } else {
        auto const colon = text.find(':');
        parts.host = text.substr(0, colon);
        if (colon != std::string_view::npos) rest = text.substr(colon);
    }
    if (parts.host.empty()) return {};
    if (rest.empty()) return parts;
    if (rest.front() != ':') return {};
    rest.remove_prefix(1);
    std::uint16_t port{};
    auto const [end, wrong] = std::from_chars(rest.data(), rest.data() + rest.size(), port);
    if (wrong != std::errc{} || end != rest.data() + rest.size()) return {};
    parts.port = port;
    return parts;
}

std::string_view path_of(http::request_header<> const& request) {
    std::string_view const target{request.target().data(), request.target().size()};
    return target.substr(0, target.find('?'));
}

std::string lower(std::string text) {
    std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
    return text;
}

/// A command that a hook starts must not inherit the port and keep it bound.
void close_on_exec(int handle) { ::fcntl(handle, F_SETFD, FD_CLOEXEC); }

Problem unusable(std::string const& message, std::string hint) {
    return {.code = Code::usage, .place = {}, .message = message, .hint = std::move(hint)};
}

}  // namespace

struct HttpListener::World : std::enable_shared_from_this<World> {
    World(asio::any_io_executor e, std::string a, HttpSite s, HttpLimits l)
        : executor{std::move(e)},
          address{std::move(a)},
          site{std::move(s)},
          limits{l},
          acceptor{executor},
          room{executor} {}

    using Self = std::shared_ptr<World>;

    /// A connection that stop() can reach while its coroutine is suspended. It keeps the world alive.
    struct Guest {
        Guest(Self w, tcp::socket socket) : world{std::move(w)}, stream{std::move(socket)}, wake{world->executor} {
            world->guests.insert(this);
        }
        ~Guest() {
            world->guests.erase(this);
            if (served) --world->served;
            if (listens) --world->streams;
            world->room.cancel();
        }
        void push(std::shared_ptr<std::string const> frame);
        void close() {
            frames.clear();
            waiting = 0;
            stream.close();
            wake.cancel();
        }
        Guest(Guest const&) = delete;
        Guest& operator=(Guest const&) = delete;
        Self world;
        beast::tcp_stream stream;
        bool served{};
        // Of one that reads /api/events.
        bool listens{}, writing{};
        asio::steady_timer wake;
        std::deque<std::shared_ptr<std::string const>> frames;
        std::size_t waiting{};  ///< bytes in frames
    };

    std::optional<Problem> start();
    void stop();
    // Static, and what they need by value: a coroutine begins later than it is made.
    static asio::awaitable<void> accept(Self self);
    static asio::awaitable<void> serve(std::unique_ptr<Guest> guest);
    static asio::awaitable<void> turn_away(std::unique_ptr<Guest> guest);
    static asio::awaitable<bool> send(Guest& guest, Answer answer, bool head);
    static asio::awaitable<void> part(Guest& guest);
    static asio::awaitable<void> listen(Guest& guest, Answer head);
    static asio::awaitable<HttpBody> past(World& world);
    static asio::awaitable<void> pump(Guest& guest);
    static asio::awaitable<void> notice_the_end(Guest& guest);
    void tell(std::string_view kind, std::string_view json);
    std::string begin_of(std::string_view kind);
    Answer answer(http::request_header<> const& request) const;
    Answer refuse(http::status status, std::string_view text) const;
    bool known_host(std::string_view host) const;

    asio::any_io_executor executor;
    std::string address;
    std::string bound_name;
    HttpSite site;
    HttpLimits limits;
    tcp::acceptor acceptor;
    asio::steady_timer room;  ///< cancelled when a guest leaves
    std::set<Guest*> guests;
    std::size_t scrapes{};
    std::size_t served{};   ///< guests that are no turned-away ones
    std::size_t streams{};  ///< of these, those that listen
    std::size_t streams_ever{};
    std::int64_t last_id{};
};

std::optional<Problem> HttpListener::World::start() {
    std::string const form = "give an address and a port, such as 127.0.0.1:9187 or [::1]:9187";
    auto const where = split(address);
    if (!where || !where->port) return unusable("`" + address + "` is not an address to listen on", form);
    bound_name = lower(where->host);
    error_code wrong;
    tcp::resolver resolver{executor};
    auto const found = resolver.resolve(where->host, std::to_string(*where->port),
                                        tcp::resolver::passive | tcp::resolver::numeric_service, wrong);
    if (wrong) return unusable("cannot listen on " + address + ": " + wrong.message(), form);
    for (auto const& candidate : found) {
        acceptor.close(wrong);
        acceptor.open(candidate.endpoint().protocol(), wrong);
        if (wrong) continue;
        close_on_exec(acceptor.native_handle());
        acceptor.set_option(tcp::acceptor::reuse_address{true}, wrong);
        if (!wrong) acceptor.bind(candidate.endpoint(), wrong);
        if (!wrong) acceptor.listen(asio::socket_base::max_listen_connections, wrong);
        if (!wrong) break;
    }
    if (wrong) {
        error_code ignored;
        acceptor.close(ignored);
        return unusable("cannot listen on " + address + ": " + lower(wrong.message()),
                        "choose another address or port with --http, or leave it out");
    }
    asio::co_spawn(executor, accept(shared_from_this()), asio::detached);
    return {};
}

void HttpListener::World::stop() {
    error_code ignored;
    acceptor.close(ignored);
    room.cancel();
    for (auto* guest : guests) guest->close();
}

asio::awaitable<void> HttpListener::World::accept(Self self) {
    error_code wrong;
    while (self->acceptor.is_open()) {
        // Those who are turned away are bound too, or a flood of them would hold the descriptors: the others wait with
        // the system until one leaves, and each is answered in the end.
        while (self->acceptor.is_open() && self->guests.size() >= 2 * self->limits.connections) {
            self->room.expires_after(self->limits.deadline);
            co_await self->room.async_wait(asio::redirect_error(asio::use_awaitable, wrong));
        }
        if (!self->acceptor.is_open()) co_return;
        auto socket = co_await self->acceptor.async_accept(asio::redirect_error(asio::use_awaitable, wrong));
        if (!self->acceptor.is_open()) co_return;
        if (wrong) {
            // Out of descriptors, most likely: to try again at once would only burn the processor.
            asio::steady_timer rest{self->executor, std::chrono::milliseconds{100}};
            co_await rest.async_wait(asio::redirect_error(asio::use_awaitable, wrong));
            continue;
        }
        close_on_exec(socket.native_handle());
        auto const bound = self->limits.connections;
        auto guest = std::make_unique<Guest>(self, std::move(socket));
        guest->served = self->served < bound;
        if (guest->served) {
            ++self->served;
            asio::co_spawn(self->executor, serve(std::move(guest)), asio::detached);
        } else {
            asio::co_spawn(self->executor, turn_away(std::move(guest)), asio::detached);
        }
    }
}

asio::awaitable<void> HttpListener::World::serve(std::unique_ptr<Guest> guest) {
    auto& world = *guest->world;
    auto const limits = world.limits;
    beast::flat_buffer buffer{std::size_t{limits.header_bytes} * 2};
    for (;;) {
        http::request_parser<http::empty_body> parser;
        parser.header_limit(limits.header_bytes);
        error_code wrong;
        guest->stream.expires_after(limits.deadline);
        co_await http::async_read_header(guest->stream, buffer, parser,
                                         asio::redirect_error(asio::use_awaitable, wrong));
        if (!world.acceptor.is_open()) co_return;
        if (wrong == http::error::header_limit || wrong == http::error::buffer_overflow) {
            co_await send(*guest, world.refuse(http::status::request_header_fields_too_large, "header too large\n"),
                          false);
            co_return co_await part(*guest);
        }
        if (wrong == http::error::end_of_stream || wrong == http::error::partial_message) co_return;
        if (wrong && wrong.category() == http::make_error_code(http::error::bad_method).category()) {
            co_await send(*guest, world.refuse(http::status::bad_request, "malformed request\n"), false);
            co_return co_await part(*guest);
        }
        if (wrong) co_return;  // too slow, or gone

        auto const& request = parser.get();
        auto reply = world.answer(request.base());
        if (reply[http::field::content_type] == event_stream && request.method() == http::verb::get)
            co_return co_await listen(*guest, std::move(reply));
        if (reply.result() == http::status::ok && path_of(request.base()) == runs_path) {
            auto const text = co_await past(world);
            if (!world.acceptor.is_open()) co_return;
            if (text) {
                reply.body() = *text;
            } else {
                reply = world.refuse(http::status::service_unavailable, "the ledger cannot be read now\n");
                reply.set(http::field::retry_after, "5");
            }
        }
        // A body is never read: what follows it could not be told from the next request.
        bool const body = request.has_content_length() || request.chunked();
        reply.keep_alive(reply.keep_alive() && request.version() >= 11 && request.keep_alive() &&
                         !(body && !parser.is_done()));
        bool const stay = reply.keep_alive();
        bool const scrape = request.method() == http::verb::get && reply.result() == http::status::ok &&
                            reply[http::field::content_type] == exposition;
        if (!co_await send(*guest, std::move(reply), request.method() == http::verb::head)) co_return;
        if (scrape) ++world.scrapes;
        if (!stay) co_return co_await part(*guest);
    }
}

void HttpListener::World::Guest::push(std::shared_ptr<std::string const> frame) {
    waiting += frame->size();
    // The page comes again by itself, and gets the whole picture then.
    if (waiting > world->limits.stream_bytes) return close();
    frames.push_back(std::move(frame));
    wake.cancel();
}

std::string HttpListener::World::begin_of(std::string_view kind) {
    std::string text = "id: " + std::to_string(++last_id) + "\nevent: ";
    text += kind;
    return text + "\ndata: ";
}

void HttpListener::World::tell(std::string_view kind, std::string_view json) {
    if (streams == 0) return;
    auto whole = begin_of(kind);
    whole += json;
    whole += frame_end;
    auto const text = std::make_shared<std::string const>(std::move(whole));
    for (auto* guest : guests)
        if (guest->listens) guest->push(text);
}

asio::awaitable<void> HttpListener::World::listen(Guest& guest, Answer head) {
    using namespace asio::experimental::awaitable_operators;
    auto& world = *guest.world;
    // From here on nothing is missed: what is told while the first is being written waits.
    guest.listens = true;
    ++world.streams;
    ++world.streams_ever;
    // The first is as big as the run needs it, and the same bytes for all who come before the next news.
    auto const whole = world.site.run();
    auto const begin = std::string{retry} + world.begin_of("run");
    std::array<asio::const_buffer, 3> const first{asio::buffer(begin), asio::buffer(*whole), asio::buffer(frame_end)};
    head.keep_alive(false);  // no length: it ends when it is closed
    http::response_serializer<http::string_body> serializer{head};
    error_code wrong;
    guest.stream.expires_after(world.limits.deadline);
    co_await http::async_write_header(guest.stream, serializer, asio::redirect_error(asio::use_awaitable, wrong));
    if (wrong) co_return;
    guest.stream.expires_after(world.limits.deadline);
    co_await asio::async_write(guest.stream, first, asio::redirect_error(asio::use_awaitable, wrong));
    if (wrong) co_return;
    co_await (pump(guest) && notice_the_end(guest));
}

/// The site's `runs`, waited for no longer than the deadline.
asio::awaitable<HttpBody> HttpListener::World::past(World& world) {
    struct Slot {
        asio::steady_timer wake;
        HttpBody body;
        bool given{};
    };
    auto const slot = std::make_shared<Slot>(Slot{asio::steady_timer{world.executor}, {}});
    slot->wake.expires_after(world.limits.deadline);
    world.site.runs([slot](HttpBody body) {
        slot->body = std::move(body);
        slot->given = true;
        slot->wake.cancel();
    });
    error_code wrong;
    if (!slot->given) co_await slot->wake.async_wait(asio::redirect_error(asio::use_awaitable, wrong));
    co_return slot->body;
}

asio::awaitable<void> HttpListener::World::pump(Guest& guest) {
    auto& world = *guest.world;
    error_code wrong;
    while (guest.stream.socket().is_open() && world.acceptor.is_open()) {
        if (guest.frames.empty()) {
            guest.wake.expires_after(world.limits.beat);
            co_await guest.wake.async_wait(asio::redirect_error(asio::use_awaitable, wrong));
            // A comment for what stands between, and an event for the page: it is not told of comments.
            if (!wrong && guest.frames.empty())
                guest.push(std::make_shared<std::string const>(": beat\nevent: beat\ndata: 1\n\n"));
            continue;
        }
        auto const next = std::move(guest.frames.front());
        guest.frames.pop_front();
        guest.waiting -= next->size();
        guest.writing = true;
        guest.stream.expires_after(world.limits.deadline);
        co_await asio::async_write(guest.stream, asio::buffer(*next), asio::redirect_error(asio::use_awaitable, wrong));
        guest.writing = false;
        if (wrong) break;
    }
    guest.close();
}

/// Else the place of one that left would be free only at the next word to it.
asio::awaitable<void> HttpListener::World::notice_the_end(Guest& guest) {
    error_code wrong;
    std::array<char, 512> waste{};
    while (!wrong)
        co_await guest.stream.socket().async_read_some(asio::buffer(waste),
                                                       asio::redirect_error(asio::use_awaitable, wrong));
    guest.close();
}

asio::awaitable<void> HttpListener::World::turn_away(std::unique_ptr<Guest> guest) {
    error_code wrong;
    guest->stream.expires_after(guest->world->limits.deadline);
    co_await asio::async_write(guest->stream, asio::buffer(busy), asio::redirect_error(asio::use_awaitable, wrong));
    if (!wrong) co_await part(*guest);
}

/// False when the guest is gone or too slow.
asio::awaitable<bool> HttpListener::World::send(Guest& guest, Answer answer, bool head) {
    answer.content_length(answer.body().size());
    if (head) answer.body().clear();
    error_code wrong;
    guest.stream.expires_after(guest.world->limits.deadline);
    co_await http::async_write(guest.stream, answer, asio::redirect_error(asio::use_awaitable, wrong));
    co_return !wrong && guest.world->acceptor.is_open();
}

/// To close a socket that holds unread bytes sends a reset, which can overtake the answer: so the rest is read first,
/// for a second and 64 KiB at most.
asio::awaitable<void> HttpListener::World::part(Guest& guest) {
    error_code wrong;
    guest.stream.socket().shutdown(tcp::socket::shutdown_send, wrong);
    guest.stream.expires_after(std::min(guest.world->limits.deadline, Millis{1000}));
    std::array<char, 4096> waste{};
    for (int turn = 0; turn < 16 && !wrong; ++turn)
        co_await guest.stream.async_read_some(asio::buffer(waste), asio::redirect_error(asio::use_awaitable, wrong));
}

Answer HttpListener::World::refuse(http::status status, std::string_view text) const {
    Answer answer{status, 11};
    answer.set(http::field::content_type, plain);
    answer.set(http::field::cache_control, "no-store");
    answer.set("X-Content-Type-Options", "nosniff");
    answer.set("Referrer-Policy", "no-referrer");
    answer.set("Cross-Origin-Resource-Policy", "same-origin");
    answer.set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    answer.body() = text;
    answer.keep_alive(false);
    return answer;
}

bool HttpListener::World::known_host(std::string_view text) const {
    auto const parts = split(text);
    if (!parts) return false;
    auto const host = lower(parts->host);
    error_code no_address;
    asio::ip::make_address(host, no_address);
    return !no_address || host == "localhost" || host == bound_name;
}

Answer HttpListener::World::answer(http::request_header<> const& request) const {
    auto const hosts = request.count(http::field::host);
    if (hosts > 1 || (hosts == 0 && request.version() >= 11))
        return refuse(http::status::bad_request, "no single host\n");
    if (hosts == 1) {
        auto const host = request[http::field::host];
        if (!known_host({host.data(), host.size()}))
            return refuse(http::status::misdirected_request,
                          "this host name is not served; use an IP address, localhost or the name bound to\n");
    }
    auto const method = request.method();
    if (method != http::verb::get && method != http::verb::head) {
        auto answer = refuse(http::status::method_not_allowed, "read-only\n");
        answer.set(http::field::allow, "GET, HEAD");
        return answer;
    }
    auto const path = path_of(request);
    auto const ok = [&](std::string_view type, std::string body) {
        auto answer = refuse(http::status::ok, "");
        answer.set(http::field::content_type, type);
        answer.body() = std::move(body);
        answer.keep_alive(true);
        return answer;
    };
    if (path == "/metrics") return ok(exposition, site.metrics());
    if (path == "/healthz") return ok(plain, "ok");
    if (path == "/readyz") {
        auto answer = ok(plain, "ready");
        if (!site.ready || site.ready()) return answer;
        answer.result(http::status::service_unavailable);
        answer.body() = "not ready\n";
        return answer;
    }
    if (path == "/api/run" && site.run) return ok(document, *site.run());
    if (path == runs_path && site.runs) return ok(document, {});  // the body comes later
    if (path == events_path && site.run) {
        if (streams < limits.streams) return ok(event_stream, {});
        auto answer = refuse(http::status::service_unavailable, "too many streams\n");
        answer.set(http::field::retry_after, "5");
        return answer;
    }
    if (path == "/") {
        auto const shown = dashboard();
        auto answer = ok("text/html; charset=utf-8", std::string{shown.page});
        answer.set("Content-Security-Policy", shown.policy);
        return answer;
    }
    auto answer = refuse(http::status::not_found, "not found\n");
    answer.keep_alive(true);
    return answer;
}

HttpListener::HttpListener(asio::any_io_executor executor, std::string address, HttpSite site, HttpLimits limits)
    : world_{std::make_shared<World>(std::move(executor), std::move(address), std::move(site), limits)} {}

HttpListener::~HttpListener() { stop(); }

std::optional<Problem> HttpListener::start() { return world_->start(); }

std::size_t HttpListener::scrapes() const { return world_->scrapes; }
std::uint16_t HttpListener::local_port() const {
    error_code wrong;
    auto const here = world_->acceptor.local_endpoint(wrong);
    return wrong ? std::uint16_t{0} : here.port();
}

std::size_t HttpListener::streams() const { return world_->streams; }
std::size_t HttpListener::streams_ever() const { return world_->streams_ever; }
void HttpListener::tell(std::string_view kind, std::string_view json) { world_->tell(kind, json); }

bool HttpListener::telling() const {
    return std::ranges::any_of(world_->guests,
                               [](auto const* guest) { return guest->writing || !guest->frames.empty(); });
}

void HttpListener::stop() { world_->stop(); }

}  // namespace weir
