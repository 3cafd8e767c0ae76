#include "orchestrator/out/web_signal.h"

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>
#include <optional>

#include "plans/sql.h"

namespace weir {
namespace {

namespace json = boost::json;

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\r\n";
    auto const first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// Of what a stranger sent: short, one line, well-formed.
std::string excerpt(std::string_view text) {
    constexpr std::size_t most = 80;
    auto const whole = trimmed(text);
    std::string shown{whole.substr(0, most)};
    while (!shown.empty() && shown.size() < whole.size() && !is_utf8(shown)) shown.pop_back();
    if (!is_utf8(shown)) return "bytes that are no text";
    for (auto& c : shown)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
    return "\"" + shown + (shown.size() < whole.size() ? "…" : "") + "\"";
}

/// `1`, `-0.5`, `+1e3`, `NaN`, `+Inf`.
std::optional<double> number(std::string_view text) {
    if (text.starts_with('+')) {
        text.remove_prefix(1);
        if (text.starts_with('-')) return {};
    }
    double value{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

Reading unread(std::string_view kind, CustomSignal const& signal, std::string problem = {}) {
    Reading reading;
    reading.signal = kind;
    reading.subject = signal.name;
    reading.problem = std::move(problem);
    return reading;
}

/// The value of `[time, "value"]`.
std::optional<double> sample(json::value const& pair) {
    auto const* both = pair.if_array();
    if (both == nullptr || both->size() != 2) return {};
    auto const* text = (*both)[1].if_string();
    return text == nullptr ? std::nullopt : number({text->data(), text->size()});
}

struct Samples {
    std::vector<double> values;
    std::string problem;
};

Samples samples(json::object const& answer) {
    auto const* const data = answer.if_contains("data");
    auto const* const object = data == nullptr ? nullptr : data->if_object();
    auto const* const type = object == nullptr ? nullptr : object->if_contains("resultType");
    auto const* const result = object == nullptr ? nullptr : object->if_contains("result");
    if (type == nullptr || !type->is_string() || result == nullptr || !result->is_array())
        return {{}, "does not answer as Prometheus does"};
    auto const kind = std::string_view{type->get_string()};
    Samples found;
    if (kind == "scalar") {
        if (auto const value = sample(*result)) found.values.push_back(*value);
        if (found.values.empty()) found.problem = "does not answer as Prometheus does";
    } else if (kind == "vector") {
        for (auto const& one : result->get_array()) {
            auto const* const series = one.if_object();
            auto const* const pair = series == nullptr ? nullptr : series->if_contains("value");
            auto const value = pair == nullptr ? std::nullopt : sample(*pair);
            if (!value) return {{}, "yields a series without a number"};
            found.values.push_back(*value);
        }
        if (found.values.empty()) found.problem = "yields nothing";
    } else {
        found.problem =
            "yields a " + std::string{kind == "matrix" ? "range of samples" : "text"} + ", and a number is needed";
    }
    return found;
}

}  // namespace

Reading http_reading(CustomSignal const& signal, Fetched const& fetched) {
    if (fetched.status == 0) return unread("http", signal, fetched.problem);
    if (fetched.status < 200 || fetched.status > 299)
        return unread("http", signal, signal.name + " answers " + std::to_string(fetched.status));
    auto reading = unread("http", signal);
    if (!signal.limit) {
        reading.value = 0;
        return reading;
    }
    auto const value = number(trimmed(fetched.body));
    if (value && std::isfinite(*value))
        reading.value = value;
    else
        reading.problem = signal.name + " answers with " + excerpt(fetched.body) + ", and not with a number";
    return reading;
}

std::string prometheus_url(std::string const& base, std::string const& query) {
    auto const question = std::min(base.find_first_of("?#"), base.size());
    auto path = std::string_view{base}.substr(0, question);
    while (path.ends_with('/')) path.remove_suffix(1);
    std::string url = std::string{path} + "/api/v1/query?";
    if (question < base.size() && base[question] == '?')
        url += base.substr(question + 1, base.find('#', question) - question - 1) + "&";
    url += "query=";
    for (char const c : query) {
        bool const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view{"-_.~"}.find(c) != std::string_view::npos;
        static constexpr std::string_view digits = "0123456789ABCDEF";
        auto const byte = static_cast<unsigned char>(c);
        if (plain)
            url += c;
        else
            (url += '%') += {digits[byte >> 4U], digits[byte & 15U]};
    }
    return url;
}

Reading prometheus_reading(CustomSignal const& signal, Fetched const& fetched) {
    auto reading = unread("prometheus", signal);
    if (fetched.status == 0) {
        reading.problem = fetched.problem;
        return reading;
    }
    json::error_code wrong;
    auto const parsed = json::parse(fetched.body, wrong);
    auto const* const answer = wrong ? nullptr : parsed.if_object();
    auto const text = [&](std::string_view key) {
        auto const* const member = answer == nullptr ? nullptr : answer->if_contains(key);
        return member != nullptr && member->is_string() ? std::string{member->get_string()} : std::string{};
    };
    bool const good = fetched.status >= 200 && fetched.status <= 299;
    if (text("status") == "error" && !text("error").empty()) {
        reading.problem = signal.name + " is refused by Prometheus: " + excerpt(text("error"));
    } else if (!good) {
        reading.problem = signal.name + " answers " + std::to_string(fetched.status);
    } else if (text("status") != "success") {
        reading.problem = signal.name + " does not answer as Prometheus does";
    } else {
        auto found = samples(*answer);
        reading.problem = found.problem.empty() ? "" : signal.name + " " + found.problem;
        std::erase_if(found.values, [](double value) { return std::isnan(value); });
        if (reading.problem.empty() && found.values.empty()) {
            reading.problem = signal.name + " yields NaN";
        } else if (reading.problem.empty()) {
            auto const largest = std::ranges::max(found.values);
            if (std::isfinite(largest))
                reading.value = largest;
            else
                reading.problem = signal.name + " yields " + (largest > 0 ? "+Inf" : "-Inf");
        }
    }
    return reading;
}

}  // namespace weir
