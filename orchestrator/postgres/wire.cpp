#include "orchestrator/postgres/wire.h"

#include <algorithm>
#include <array>
#include <utility>

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

struct Meaning {
    std::string_view sqlstate, words;
};

constexpr std::array meanings{
    Meaning{"0A000", "feature not supported"},
    Meaning{"21000", "a subquery gives more than one row"},
    Meaning{"22000", "data exception"},
    Meaning{"22001", "a text is too long for its type"},
    Meaning{"22003", "a number is out of range"},
    Meaning{"22004", "a NULL where none may be"},
    Meaning{"22007", "that is no date or time"},
    Meaning{"22008", "a date or time is out of range"},
    Meaning{"22012", "division by zero"},
    Meaning{"22021", "a text is not in the database's encoding"},
    Meaning{"22023", "an argument has a value that it may not have"},
    Meaning{"22026", "a bit string has the wrong length"},
    Meaning{"2201B", "that is no regular expression"},
    Meaning{"22030", "a JSON object has a key twice"},
    Meaning{"22032", "that is no JSON"},
    Meaning{"22P02", "a text cannot be read as a value of its type"},
    Meaning{"22P03", "a binary value cannot be read as one of its type"},
    Meaning{"22P05", "a character is not in the other encoding"},
    Meaning{"23000", "integrity constraint violation"},
    Meaning{"23001", "restrict violation"},
    Meaning{"23502", "NOT NULL violation"},
    Meaning{"23503", "foreign key violation"},
    Meaning{"23505", "unique violation"},
    Meaning{"23514", "check violation"},
    Meaning{"23P01", "exclusion violation"},
    Meaning{"27000", "a row was changed by a trigger of its own update"},
    Meaning{"2BP01", "other objects depend on it"},
    Meaning{"42501", "insufficient privilege"},
    Meaning{"42601", "syntax error"},
    Meaning{"42602", "invalid name"},
    Meaning{"42702", "ambiguous column"},
    Meaning{"42703", "undefined column"},
    Meaning{"42704", "undefined object"},
    Meaning{"42803", "grouping error"},
    Meaning{"42804", "datatype mismatch"},
    Meaning{"42809", "wrong kind of object"},
    Meaning{"42830", "invalid foreign key"},
    Meaning{"42846", "cannot cast"},
    Meaning{"42883", "undefined function"},
    Meaning{"42P01", "undefined table"},
    Meaning{"42P17", "invalid definition of an object"},
    Meaning{"P0001", "a function raised an exception of its own"},
    Meaning{"P0002", "a function found no row"},
    Meaning{"P0003", "a function found too many rows"},
    Meaning{"P0004", "an assertion of a function failed"},
    // By class.
    Meaning{"0A", "feature not supported"},
    Meaning{"21", "cardinality violation"},
    Meaning{"22", "data exception"},
    Meaning{"23", "integrity constraint violation"},
    Meaning{"25", "invalid state of the transaction"},
    Meaning{"38", "a function of another language failed"},
    Meaning{"39", "a function of another language was called wrongly"},
    Meaning{"42", "syntax error or access rule violation"},
    Meaning{"44", "WITH CHECK OPTION violation"},
    Meaning{"53", "insufficient resources"},
    Meaning{"54", "a limit of the server is exceeded"},
    Meaning{"55", "an object is not in the state that is needed"},
    Meaning{"58", "system error"},
    Meaning{"P0", "a function failed"},
    Meaning{"XX", "internal error of the server"},
};

std::string_view meaning(std::string_view sqlstate) {
    for (auto const wanted : {sqlstate, sqlstate.substr(0, 2)})
        for (auto const& one : meanings)
            if (one.sqlstate == wanted) return one.words;
    return "an error that only a function can raise";
}

/// The languages' own files, in which what a function raises is reported: pl_exec.c, plpy_elog.c, plperl.c, …
bool raised(ServerError const& error) { return error.source.starts_with("pl"); }

/// Whether the message can hold no value of a row.
bool quotable(ServerError const& error) {
    std::string_view const code{error.sqlstate};
    // libpq itself; and weir's own functions, whose words are of names and numbers.
    if (code.empty() || code.starts_with("WE")) return true;
    if (raised(error)) return false;
    // Sessions, locks, room, limits.
    for (std::string_view const of : {"08", "25", "28", "40", "53", "54", "55", "57"})
        if (code.starts_with(of)) return true;
    if (code == "3D000") return error.source == "postinit.c";
    if (code == "42501" || code == "2BP01") return true;
    // Names that are taken, met by DDL of weir's own: what a function runs has a context.
    static constexpr std::array taken{"42701", "42710", "42723", "42P06", "42P07", "42P16"};
    return error.context.empty() && std::find(taken.begin(), taken.end(), code) != taken.end();
}

/// Fields that a function can fill with whatever it likes are no names. These files report constraints.
bool named_by_the_server(ServerError const& error) {
    static constexpr std::array files{
        "execMain.c",  "execIndexing.c",      "execPartition.c", "nbtinsert.c",      "nbtsort.c",
        "tuplesort.c", "tuplesortvariants.c", "ri_triggers.c",   "execExprInterp.c", "domains.c",
        "tablecmds.c", "typecmds.c",          "constraint.c",    "heap.c",           "index.c"};
    return std::find(files.begin(), files.end(), error.source) != files.end();
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

    std::string ignored, location;
    std::string* into = nullptr;
    auto const part = [&](std::string_view label) -> std::string* {
        if (label == "DETAIL:  ") return &error.detail;
        if (label == "HINT:  ") return &error.hint;
        if (label == "QUERY:  ") return &error.query;
        if (label == "CONTEXT:  ") return &error.context;
        return label == "LOCATION:  " ? &location : &ignored;
    };
    for (auto rest = verbose.substr(start); !rest.empty();) {
        auto const line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        auto const label = into == nullptr ? std::string_view{} : label_of(line);
        if (into == nullptr) into = &error.message;
        if (!label.empty()) into = part(label);
        if (!into->empty()) *into += '\n';
        *into += line.substr(label.size());
    }
    for (auto* text : {&error.message, &error.detail, &error.hint, &error.query, &error.context})
        *text = std::string{trim(*text)};
    // `_bt_check_unique, nbtinsert.c:673`
    if (auto const comma = location.find(", "); comma != std::string::npos)
        error.source = location.substr(comma + 2, location.find(':', comma) - comma - 2);
    return error;
}

std::string for_anybody(ServerError const& error) {
    if (quotable(error)) {
        if (error.sqlstate != "2BP01" || error.detail.empty()) return error.message;
        // Names of objects, one a line.
        std::string names;
        for (auto const& line : lines_of(error.detail)) names += (names.empty() ? "" : "; ") + line;
        return error.message + " (" + names + ")";
    }
    std::string names;
    auto const add = [&](char const* what, std::string const& name) {
        if (!name.empty()) names += (names.empty() ? ": " : ", ") + std::string{what} + " " + name;
    };
    if (named_by_the_server(error)) {
        auto const in_schema = [&](std::string const& name) {
            return name.empty() || error.schema.empty() ? name : error.schema + "." + name;
        };
        add("table", in_schema(error.table));
        add("column", error.column);
        add("type", in_schema(error.type));
        add("constraint", error.constraint);
    }
    return std::string{meaning(error.sqlstate)} + names;
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

Outcome failure(ServerError error, bool in_flight) {
    Outcome outcome;
    outcome.fate = fate_of(error.sqlstate, in_flight);
    outcome.message = for_anybody(error);
    outcome.sqlstate = std::move(error.sqlstate);
    outcome.said = Sealed{std::move(error.message)};
    std::string more;
    auto const add = [&](char const* what, std::string const& words) {
        if (!words.empty()) more += (more.empty() ? "" : "\n") + std::string{what} + ": " + words;
    };
    add("detail", error.detail);
    // What weir's own functions advise is of names.
    if (outcome.sqlstate.starts_with("WE"))
        outcome.advice = std::move(error.hint);
    else
        add("the server's hint", error.hint);
    add("query", error.query);
    add("context", error.context);
    outcome.more = Sealed{std::move(more)};
    return outcome;
}

Outcome failure(std::string_view verbose, bool in_flight) { return failure(read_error(verbose), in_flight); }

Outcome own_words(Fate fate, std::string message, std::string advice) {
    Outcome outcome;
    outcome.fate = fate;
    outcome.message = std::move(message);
    outcome.advice = std::move(advice);
    return outcome;
}

}  // namespace weir
