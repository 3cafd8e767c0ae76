#pragma once
/// A real Chromium without a window, steered over WebDriver by the chromedriver of the same package.
#include <boost/json.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/process.h"

namespace weir::tests {

/// One request on a connection of its own; throws when nobody answers.
struct HttpReply {
    int status{};
    std::string head, body;
};
HttpReply http(std::uint16_t port, std::string const& method, std::string const& target, std::string const& body = {});

/// One of the loopback that nobody listens on just now.
std::uint16_t free_port();

/// Test thread only. A profile of its own, gone at the end. Throws with the driver's words when something is refused.
class Browser {
  public:
    Browser();
    ~Browser();
    Browser(Browser const&) = delete;
    Browser& operator=(Browser const&) = delete;

    void open(std::string const& url);
    /// The body of a function; what it returns.
    boost::json::value run(std::string const& script);
    /// What the page shows of it: innerText of the first element that fits the selector; empty when there is none or it
    /// is hidden.
    std::string text(std::string const& selector);
    /// `prefers-color-scheme`.
    void dark(bool on);
    void size(int width, int height, bool phone = false);
    /// A PNG of the whole page.
    void screenshot(std::filesystem::path const& file);
    /// What the console said since the last call: `SEVERE: …`.
    std::vector<std::string> console();
    /// Every address that was asked for since the last call, by whatever part of the page.
    std::vector<std::string> requests();

  private:
    boost::json::value command(std::string const& method, std::string const& path, boost::json::object body = {});
    boost::json::value devtools(std::string const& name, boost::json::object parameters);
    std::filesystem::path folder_;
    std::unique_ptr<Process> driver_;
    std::uint16_t port_{};
    std::string session_;
};

}  // namespace weir::tests
