#include "orchestrator/postgres/wire.h"

#include <algorithm>
#include <array>

namespace weir {
namespace {

bool is_code(std::string_view five) {
    return five.size() == 5 && std::all_of(five.begin(), five.end(),
                                           [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z'); });
}

std::string_view trim(std::string_view text) {
    auto const first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// Labels are libpq's own and stay English, because weir never calls setlocale().
std::string_view label_of(std::string_view line) {
    static constexpr std::array labels{"DETAIL:  ",
                                       "HINT:  ",
                                       "QUERY:  ",
                                       "CONTEXT:  ",
                                       "SCHEMA NAME:  ",
                                       "TABLE NAME:  ",
                                       "COLUMN NAME:  ",
                                       "DATATYPE NAME:  ",
                                       "CONSTRAINT NAME:  ",
                                       "LOCATION:  ",
                                       "server closed the connection"};
    for (std::string_view const label : labels)
        if (line.starts_with(label)) return label;
    if (line.starts_with("LINE ")) {
        auto const end = line.find_first_not_of("0123456789", 5);
        if (end != std::string_view::npos && end > 5 && line.substr(end, 2) == ": ") return line.substr(0, end + 2);
    }
    return {};
}

}  // namespace

ServerError read_error(std::string_view verbose) {
    ServerError error;
    std::size_t start = std::string_view::npos;
    for (auto at = verbose.find(":  "); at != std::string_view::npos; at = verbose.find(":  ", at + 1)) {
        auto const rest = verbose.substr(at + 3);
        if (rest.size() > 6 && is_code(rest.substr(0, 5)) && rest.substr(5, 2) == ": ") {
            error.sqlstate = rest.substr(0, 5);
            start = at + 10;
            break;
        }
    }
    if (start == std::string_view::npos) {
        error.message = trim(verbose);
        return error;
    }

    std::string ignored;
    std::string hint;
    std::string* into = nullptr;
    for (auto rest = verbose.substr(start); !rest.empty();) {
        auto const line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        auto const label = into == nullptr ? std::string_view{} : label_of(line);
        if (into == nullptr) into = &error.message;
        if (!label.empty()) into = label == "DETAIL:  " ? &error.detail : label == "HINT:  " ? &hint : &ignored;
        if (!into->empty()) *into += '\n';
        *into += line.substr(label.size());
    }
    error.message = trim(error.message);
    error.detail = trim(error.detail);
    if (!hint.empty()) error.detail += (error.detail.empty() ? "hint: " : "\nhint: ") + std::string{trim(hint)};
    return error;
}

Fate fate_of(std::string_view sqlstate, bool in_flight) {
    if (sqlstate == "55P03") return Fate::lock_busy;
    if (sqlstate == "40P01" || sqlstate == "40001") return Fate::deadlock;
    if (sqlstate == "57014") return Fate::canceled;
    if (sqlstate == "WE001") return Fate::fenced;
    // Those by which a server ends a session, or does not begin one for the moment (53300: no slot is free).
    static constexpr std::array ends{"57P01", "57P02", "57P03", "57P04", "57P05", "25P03", "25P04", "53300"};
    if (sqlstate.starts_with("08") || std::find(ends.begin(), ends.end(), sqlstate) != ends.end())
        return in_flight ? Fate::in_doubt : Fate::lost;
    return Fate::refused;
}

Outcome failure(std::string_view verbose, bool in_flight) {
    auto error = read_error(verbose);
    Outcome outcome;
    outcome.fate = fate_of(error.sqlstate, in_flight);
    outcome.sqlstate = std::move(error.sqlstate);
    outcome.message = std::move(error.message);
    outcome.detail = std::move(error.detail);
    return outcome;
}

}  // namespace weir
