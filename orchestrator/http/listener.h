#pragma once
/// The read-only HTTP side: `/metrics` for Prometheus, `/healthz` and `/readyz` for a supervisor, `/` for people (fed
/// by `/api/events`), and the same as JSON. No request changes anything, and no port of weir's accepts a command.
#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "plans/event.h"
#include "plans/problem.h"

namespace weir {

struct HttpLimits {
    std::size_t connections{64};       ///< beyond that a client gets a canned 503
    std::uint32_t header_bytes{8192};  ///< request line and header; beyond that 431
    Millis deadline{5000};             ///< to send a request, to take an answer, and to be idle between two
    std::size_t streams{32};           ///< readers of /api/events, of the connections; beyond that 503
    std::size_t stream_bytes{262144};  ///< what waits for a slow reader; beyond that its stream is closed
    Millis beat{10'000};               ///< a stream that has nothing to tell says so this often
};

/// Shared by all who are answered with it.
using HttpBody = std::shared_ptr<std::string const>;

/// What is served. Each is called on the executor, once a request, and not after stop(). Absent `run` or `runs`: 404
/// for what it serves; absent `ready`: always ready.
struct HttpSite {
    std::function<std::string()> metrics;  ///< the body of `/metrics`
    std::function<HttpBody()> run;         ///< of `/api/run`, one line; also the first event of each stream
    std::function<bool()> ready{};         ///< `/readyz`: 200 or 503
    /// The body of `/api/runs`, given now or later; nothing, or too late for the deadline: 503.
    std::function<void(std::function<void(HttpBody)> give)> runs{};
};

/// Serves GET and HEAD; other methods get 405, other paths 404, malformed requests 400. A `Host` that is neither
/// `localhost`, nor a literal IP address, nor the host name it was bound to gets 421: else a web page could read a
/// loopback listener by DNS rebinding.
///
/// Everything runs on `executor`, which must be one thread's (an io_context run by one thread, or a strand): the
/// constructor, start(), stop(), the destructor and the callback belong there too, or happen before it runs.
/// The executor's context must outlive this object.
class HttpListener {
  public:
    /// `address` is `127.0.0.1:9187`, `[::1]:9187`, `0.0.0.0:9187` or `name:9187`; port 0 lets the system choose.
    HttpListener(boost::asio::any_io_executor executor, std::string address, HttpSite site, HttpLimits limits = {});
    ~HttpListener();  ///< stop()
    HttpListener(HttpListener const&) = delete;
    HttpListener& operator=(HttpListener const&) = delete;

    /// Binds and listens; from now on clients are served whenever the executor runs. A host name is resolved here,
    /// which may block. Code::usage with a hint when the address is malformed or cannot be bound; nothing has begun
    /// then.
    std::optional<Problem> start();
    /// The port that it listens on; 0 before start() and after stop().
    std::uint16_t local_port() const;
    /// How many answers to GET /metrics were written in full.
    std::size_t scrapes() const;
    /// To every stream: an event of this kind with `json`, which has no line break. Never blocks: it is written when
    /// the executor runs.
    void tell(std::string_view kind, std::string_view json);
    /// Streams that are open, and how many there have been.
    std::size_t streams() const;
    std::size_t streams_ever() const;
    /// Something that tell() was given is still to be written.
    bool telling() const;
    /// Closes everything, also requests that are being answered. May be called again.
    void stop();

  private:
    struct World;
    std::shared_ptr<World> world_;
};

}  // namespace weir
