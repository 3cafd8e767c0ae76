#pragma once
/// The door to libcurl: one request at a time or many, beside the io thread, so that a server that hangs delays
/// nothing.
#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "plans/event.h"

namespace weir {

struct FetchLimits {
    Millis connect{1000};                ///< to reach the server, its name included
    Millis total{2000};                  ///< for everything
    std::size_t body_bytes{1U << 20};    ///< beyond that the answer counts as none
    std::size_t header_bytes{1U << 16};  ///< the same
};

/// What came of one request.
struct Fetched {
    int status{};      ///< of HTTP; 0: no whole answer came
    std::string body;  ///< empty when no whole answer came
    std::string
        problem;  ///< why not, without a secret: `http://db1:9090 did not answer within 2 s`; empty when one came
    Millis at{};  ///< steady, when it was known
};

/// http and https (certificates are checked) and nothing else; redirects are not followed, and are answers like others.
/// The environment's proxies, .netrc and cookies are not used: an address in a plan means that address.
///
/// A thread of its own does the waiting. Constructor, get(), post(), destructor and replies belong to `home`'s thread;
/// replies are posted there, exactly one for each request, and none after the destructor, which waits for no server.
class Fetcher {
  public:
    using Reply = std::function<void(Fetched)>;

    explicit Fetcher(boost::asio::any_io_executor home, FetchLimits limits = {});
    ~Fetcher();
    Fetcher(Fetcher const&) = delete;
    Fetcher& operator=(Fetcher const&) = delete;

    void get(std::string url, Reply reply);
    /// `body` goes out as application/json.
    void post(std::string url, std::string body, Reply reply);

  private:
    struct World;
    std::unique_ptr<World> world_;
};

/// An address as messages may show it: scheme, host and port, without user, password, path and query, where secrets
/// are.
std::string shown_address(std::string_view url);

}  // namespace weir
