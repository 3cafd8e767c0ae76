#include "browser.h"

#include <sys/socket.h>

#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/detail/base64.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <cstdlib>
#include <fstream>
#include <stdexcept>

namespace weir::tests {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace json = boost::json;
namespace fs = std::filesystem;
using namespace std::chrono_literals;

HttpReply http(std::uint16_t port, std::string const& method, std::string const& target, std::string const& body) {
    asio::io_context context;
    asio::ip::tcp::socket socket{context};
    socket.connect({asio::ip::address_v4::loopback(), port});
    timeval const limit{60, 0};
    ::setsockopt(socket.native_handle(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    beast::http::request<beast::http::string_body> request;
    request.method_string(method);
    request.target(target);
    request.version(11);
    request.set(beast::http::field::host, "127.0.0.1:" + std::to_string(port));
    request.set(beast::http::field::connection, "close");
    request.set(beast::http::field::content_type, "application/json");
    request.body() = body;
    request.prepare_payload();
    beast::http::write(socket, request);
    beast::flat_buffer buffer;
    beast::http::response_parser<beast::http::string_body> parser;
    parser.body_limit(64 << 20);
    beast::http::read(socket, buffer, parser);
    auto const& reply = parser.get();
    std::string head;
    for (auto const& field : reply) head += std::string{field.name_string()} + ": " + std::string{field.value()} + "\n";
    return {static_cast<int>(reply.result_int()), head, reply.body()};
}

std::uint16_t free_port() {
    asio::io_context context;
    return asio::ip::tcp::acceptor{context, {asio::ip::address_v4::loopback(), 0}}.local_endpoint().port();
}

Browser::Browser() {
    std::string name = (fs::temp_directory_path() / "weir-browser-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    folder_ = name;
    Launch launch;
    launch.command = {"chromedriver", "--port=0"};
    launch.environment = {{"HOME", name}, {"TMPDIR", name}, {"http_proxy", ""}, {"https_proxy", ""}};
    try {
        driver_ = std::make_unique<Process>(std::move(launch));
    } catch (std::exception const& error) {
        throw std::runtime_error{std::string{error.what()} + "; the packages are chromium and chromium-driver"};
    }
    constexpr std::string_view before = "started successfully on port ";
    if (!wait_until([&] { return driver_->out().find(before) != std::string::npos || !driver_->running(); }, 30s) ||
        !driver_->running())
        throw std::runtime_error{
            "chromedriver does not start (packages chromium and chromium-driver): " + driver_->out() + driver_->err()};
    auto const at = driver_->out().find(before) + before.size();
    port_ = static_cast<std::uint16_t>(std::stoi(driver_->out().substr(at)));
    json::array words;
    for (auto const& word :
         {"--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
          "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
          "--hide-scrollbars", "--no-proxy-server", "--window-size=1200,900"})
        words.emplace_back(word);
    words.emplace_back("--user-data-dir=" + (folder_ / "profile").string());
    json::object const wanted{
        {"browserName", "chrome"},
        {"goog:chromeOptions",
         json::object{{"args", words}, {"perfLoggingPrefs", json::object{{"enableNetwork", true}}}}},
        {"goog:loggingPrefs", json::object{{"browser", "ALL"}, {"performance", "ALL"}}}};
    auto const made = command("POST", "/session", {{"capabilities", json::object{{"alwaysMatch", wanted}}}});
    session_ = json::value_to<std::string>(made.at("sessionId"));
}

Browser::~Browser() {
    try {
        command("DELETE", "/session/" + session_);
    } catch (std::exception const&) {  // it ends with the driver then
    }
    driver_.reset();
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

json::value Browser::command(std::string const& method, std::string const& path, json::object body) {
    auto const reply = http(port_, method, path, method == "POST" ? json::serialize(body) : std::string{});
    auto document = json::parse(reply.body);
    if (reply.status != 200) throw std::runtime_error{path + ": " + reply.body.substr(0, 1000)};
    return document.at("value");
}

json::value Browser::devtools(std::string const& name, json::object parameters) {
    return command("POST", "/session/" + session_ + "/goog/cdp/execute",
                   {{"cmd", name}, {"params", std::move(parameters)}});
}

void Browser::open(std::string const& url) { command("POST", "/session/" + session_ + "/url", {{"url", url}}); }

json::value Browser::run(std::string const& script) {
    return command("POST", "/session/" + session_ + "/execute/sync", {{"script", script}, {"args", json::array{}}});
}

std::string Browser::text(std::string const& selector) {
    auto const found = run("const node = document.querySelector(" + json::serialize(json::value(selector)) +
                           "); return node && node.checkVisibility() ? node.innerText : ''");
    return json::value_to<std::string>(found);
}

void Browser::dark(bool on) {
    devtools(
        "Emulation.setEmulatedMedia",
        {{"features", json::array{json::object{{"name", "prefers-color-scheme"}, {"value", on ? "dark" : "light"}}}}});
}

void Browser::size(int width, int height, bool phone) {
    devtools("Emulation.setDeviceMetricsOverride",
             {{"width", width}, {"height", height}, {"deviceScaleFactor", phone ? 2 : 1}, {"mobile", phone}});
}

void Browser::screenshot(fs::path const& file) {
    auto const shot = devtools("Page.captureScreenshot", {{"captureBeyondViewport", true}});
    auto const text = json::value_to<std::string>(shot.at("data"));
    std::string bytes(beast::detail::base64::decoded_size(text.size()), '\0');
    bytes.resize(beast::detail::base64::decode(bytes.data(), text.data(), text.size()).first);
    fs::create_directories(file.parent_path());
    std::ofstream{file, std::ios::binary} << bytes;
}

std::vector<std::string> Browser::console() {
    std::vector<std::string> all;
    auto const log = command("POST", "/session/" + session_ + "/se/log", {{"type", "browser"}});
    for (auto const& entry : log.as_array())
        all.push_back(json::value_to<std::string>(entry.at("level")) + ": " +
                      json::value_to<std::string>(entry.at("message")));
    return all;
}

std::vector<std::string> Browser::requests() {
    std::vector<std::string> all;
    auto const log = command("POST", "/session/" + session_ + "/se/log", {{"type", "performance"}});
    for (auto const& entry : log.as_array()) {
        auto const message = json::parse(json::value_to<std::string>(entry.at("message"))).at("message");
        if (message.at("method") != "Network.requestWillBeSent") continue;
        all.push_back(json::value_to<std::string>(message.at("params").at("request").at("url")));
    }
    return all;
}

}  // namespace weir::tests
