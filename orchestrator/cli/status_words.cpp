#include "orchestrator/cli/status.h"

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>
#include <utility>

#include "metrics/text.h"

namespace weir {
namespace {

std::string padded(std::string step) {
    step.resize(std::max<std::size_t>(step.size(), 12), ' ');
    return step + ' ';
}

namespace json = boost::json;

std::string text_of(json::object const& from, std::string_view key) {
    auto const* value = from.if_contains(key);
    return value && value->is_string() ? std::string{value->as_string()} : std::string{};
}

std::optional<double> number_of(json::object const& from, std::string_view key) {
    auto const* value = from.if_contains(key);
    return value && value->is_number() ? std::optional{value->to_number<double>()} : std::nullopt;
}

json::array const& array_of(json::object const& from, std::string_view key) {
    static json::array const none;
    auto const* value = from.if_contains(key);
    return value && value->is_array() ? value->as_array() : none;
}

std::string because(std::string const& reason) { return reason.empty() ? "" : ", because " + reason; }

std::string time_text(double s) {
    if (s < 120) return std::to_string(std::llround(s)) + " s";
    if (s < 2.0 * 3600) return std::to_string(std::llround(s / 60)) + " min";
    if (s < 48.0 * 3600) return std::to_string(std::llround(s / 3600)) + " h";
    return std::to_string(std::llround(s / 86400)) + " d";
}

std::string signal_line(json::object const& signal, double older) {
    auto name = text_of(signal, "signal");
    std::ranges::replace(name, '_', ' ');
    if (auto const subject = text_of(signal, "subject"); !subject.empty()) name += " of " + subject;
    name.resize(std::max<std::size_t>(name.size(), 30), ' ');
    auto const unit = text_of(signal, "unit");
    auto const value = number_of(signal, "value");
    auto line = "  " + name + ' ' + (value ? figure(*value, unit) : "not known");
    if (auto const limit = number_of(signal, "limit"))
        line += ", limit " + figure(*limit, unit);
    else
        line += ", no limit";
    line += ", " + figure(number_of(signal, "age_ms").value_or(0) / 1000 + older, "s") + " ago";
    auto const* holds = signal.if_contains("holds");
    if (holds && holds->is_bool() && holds->as_bool()) line += ", holds the run back";
    if (auto const problem = text_of(signal, "problem"); !problem.empty()) line += ": " + problem;
    return line;
}

}  // namespace

std::optional<std::int64_t> StepWork::in_place() const {
    if (!step.starts_with("backfill.") || rows <= 0) return {};
    return std::clamp<std::int64_t>(hot * 100 / rows, 0, 100);
}

std::optional<std::int64_t> rows_per_second(StepWork const& before, StepWork const& after) {
    double const took = after.read_at - before.read_at;
    if (before.over() || after.rows < before.rows || !(took > 0)) return {};
    return std::llround(static_cast<double>(after.rows - before.rows) / took);
}

std::string work_line(StepWork const& work, std::optional<std::int64_t> rate) {
    auto text = padded(work.step) + "pages " + std::to_string(work.pages_done) + " of " + std::to_string(work.pages) +
                ", " + std::to_string(work.rows) + " rows";
    if (auto const share = work.in_place()) text += ", " + std::to_string(*share) + " % in place";
    if (rate) text += ", " + std::to_string(*rate) + " rows/s";
    if (work.rows_wrong > 0) text += ", " + std::to_string(work.rows_wrong) + " rows not right";
    return text;
}

std::vector<std::string> picture_lines(std::string const& picture, double age) {
    boost::system::error_code error;
    auto const parsed = json::parse(picture, error);
    if (error || !parsed.is_object()) return {};
    auto const& whole = parsed.as_object();
    std::vector<std::string> lines;
    if (auto const* work = whole.if_contains("work"); work && work->is_object()) {
        auto const& of = work->as_object();
        auto const low = number_of(of, "eta_low_s"), high = number_of(of, "eta_high_s"), one = number_of(of, "eta_s");
        std::string left;
        if (low && high && time_text(*low) != time_text(*high))
            left = time_text(*low) + " to " + time_text(*high) + " left";
        else if (one)
            left = time_text(*one) + " left";
        if (auto const forecast = text_of(of, "forecast"); !forecast.empty())
            left += (left.empty() ? "" : "; ") + forecast;
        if (!left.empty()) lines.push_back(text_of(whole, "step") + ": " + left);
    }
    if (auto const bytes = number_of(whole, "dump_bytes"))
        lines.push_back(text_of(whole, "step") + ": " + text_of(whole, "title") + ", " + figure(*bytes, "B") +
                        " written by pg_dump");
    for (auto const& item : array_of(whole, "ways")) {
        if (!item.is_object()) continue;
        auto const& way = item.as_object();
        lines.push_back(text_of(way, "table") + ": " +
                        (text_of(way, "way") == "in_page" ? "in-page order" : "page range by page range") +
                        because(text_of(way, "reason")));
    }
    if (auto const workers = number_of(whole, "workers"))
        lines.push_back(figure(*workers, "") + (*workers == 1 ? " worker" : " workers") +
                        because(text_of(whole, "workers_reason")));
    std::string reasons;
    for (auto const& reason : array_of(whole, "reasons"))
        if (reason.is_string()) reasons += (reasons.empty() ? ": " : "; ") + std::string{reason.as_string()};
    if (auto const pace = number_of(whole, "pace"); pace && *pace < 1)
        lines.push_back((*pace > 0 ? "pace " + std::to_string(std::llround(*pace * 100)) + " %" : "held") + reasons);
    for (auto const& blocker : array_of(whole, "blockers"))
        if (blocker.is_string()) lines.push_back("in the way of a lock: " + std::string{blocker.as_string()});
    auto const& signals = array_of(whole, "signals");
    if (!signals.empty()) lines.emplace_back("signals:");
    for (auto const& signal : signals)
        if (signal.is_object()) lines.push_back(signal_line(signal.as_object(), age));
    return lines;
}

std::string screen(std::string const& text, std::size_t columns, std::size_t rows, bool clears) {
    std::string drawn = clears ? "\x1b[2J\x1b[H" : "\x1b[H";
    std::size_t line = 0;
    for (std::size_t at = 0; at < text.size();) {
        auto const end = std::min(text.find('\n', at), text.size());
        // The last row and the last column stay free: some terminals scroll or wrap as soon as they are written.
        if (rows > 1 && ++line >= rows) break;
        auto words = text.substr(at, end - at);
        if (columns > 1) words = truncated(std::move(words), columns - 1);
        drawn += words + "\x1b[K\n";
        at = end + 1;
    }
    return drawn + "\x1b[J";
}

std::string proof_line(ProofFigures const& proof) {
    return padded(proof.step) + "proved " + (proof.again ? "again " : "") + proof.at + ": " + proof.rows_read +
           " rows read, " + proof.rows_filled + " filled, " + proof.rows_wrong + " not right";
}

}  // namespace weir
