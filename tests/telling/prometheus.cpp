#include "prometheus.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/json.hpp>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace weir::tests {
namespace {

namespace json = boost::json;

std::string percent(std::string const& text) {
    std::string out;
    for (char const c : text) {
        if (std::isalnum(static_cast<unsigned char>(c)) != 0) {
            out += c;
            continue;
        }
        constexpr char const* hex = "0123456789ABCDEF";
        auto const byte = static_cast<unsigned char>(c);
        ((out += '%') += hex[byte >> 4]) += hex[byte & 15];
    }
    return out;
}

}  // namespace

int free_port() {
    boost::asio::io_context io;
    boost::asio::ip::tcp::acceptor const acceptor{io, {boost::asio::ip::address_v4::loopback(), 0}};
    return acceptor.local_endpoint().port();
}

Fetched get(std::string const& url) {
    boost::asio::io_context io;
    Fetcher fetcher{io.get_executor()};
    Fetched got;
    fetcher.get(url, [&](Fetched fetched) { got = std::move(fetched); });
    io.run();
    return got;
}

bool Prometheus::installed() { return std::filesystem::exists("/usr/bin/prometheus"); }

Prometheus::Prometheus(int target, std::string const& rules) : port_{free_port()} {
    std::string config{
        "global: { scrape_interval: 250ms, scrape_timeout: 250ms, evaluation_interval: 250ms }\n"
        "scrape_configs:\n  - job_name: weir\n    static_configs: [ { targets: [\"127.0.0.1:"};
    config += std::to_string(target) + "\"] } ]\n";
    if (!rules.empty()) config += "rule_files: [" + folder_.write("rules.yaml", rules) + "]\n";
    process_.emplace(
        Launch{.command = {"/usr/bin/prometheus", "--config.file=" + folder_.write("prometheus.yml", config),
                           "--storage.tsdb.path=" + folder_.path("data"),
                           "--web.listen-address=127.0.0.1:" + std::to_string(port_)},
               .environment = {},
               .directory = folder_.path()});
}

Prometheus::Answer Prometheus::query(std::string const& text) const {
    auto const got = get(url() + "/api/v1/query?query=" + percent(text));
    if (got.status == 0) return {got.problem, {}};
    boost::system::error_code error;
    auto const answer = json::parse(got.body, error);
    if (error || !answer.is_object()) return {"no JSON: " + got.body, {}};
    if (answer.at("status") != "success") return {got.body, {}};
    Answer all;
    if (answer.at("data").at("resultType") != "vector") return {"no vector: " + got.body, {}};
    for (auto const& one : answer.at("data").at("result").as_array()) all.series.push_back(json::serialize(one));
    return all;
}

bool Prometheus::fires(std::string const& alert, std::string const& part) const {
    auto const answer = query("ALERTS{alertname=\"" + alert + "\",alertstate=\"firing\"}");
    return std::ranges::any_of(answer.series, [&](auto const& one) { return has(one, part); });
}

std::string impatient_rules() {
    std::ifstream file{WEIR_SOURCE_DIR "/metrics/alerts.yaml"};
    std::ostringstream text;
    text << file.rdbuf();
    auto rules = std::regex_replace(text.str(), std::regex{R"(\n( +)for: \w+)"}, "\n$1for: 0s");
    rules = std::regex_replace(rules, std::regex{R"(> (1800|300|14400)\b)"}, "> 1");
    return std::regex_replace(rules, std::regex{R"(\[30m\])"}, "[3s]");
}

}  // namespace weir::tests
