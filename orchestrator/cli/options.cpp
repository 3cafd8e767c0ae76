#include "orchestrator/cli/options.h"

#include <algorithm>
#include <array>
#include <boost/program_options.hpp>
#include <charconv>
#include <map>

#include "plans/reader.h"

namespace weir {
namespace {

namespace po = boost::program_options;

enum class Takes { nothing, text, texts };

struct OptionRow {
    std::string_view name;
    Takes takes;
    std::string_view value;  ///< as the help shows it
    std::string_view meaning;
};

constexpr std::array option_rows{
    OptionRow{"database", Takes::text, "URL",
              "libpq URL or keywords, without a password; default: PGHOST, PGDATABASE, PGSERVICE …"},
    OptionRow{"until", Takes::text, "PHASE", "stop after expand, backfill, proof or contract"},
    OptionRow{"approve", Takes::texts, "GATE|all", "approve a gate beforehand"},
    OptionRow{"no-wait", Takes::nothing, "", "exit 3 at a gate, at a window, or when paused, instead of waiting"},
    OptionRow{"take-over", Takes::nothing, "",
              "end the sessions of the weir that works on this plan, and go on in its place"},
    OptionRow{"subscribers-ready", Takes::nothing, "",
              "the subscribers of a publication FOR ALL TABLES have what weir ledger prints"},
    OptionRow{"allow-command", Takes::nothing, "",
              "the plan's notify.command may be run, as the user that weir runs as"},
    OptionRow{"http", Takes::text, "ADDR:PORT",
              "serve the dashboard, /metrics, /healthz and /readyz; port 0: one that is free, which is told"},
    OptionRow{"linger", Takes::text, "DURATION",
              "keep /metrics after the end until it was scraped once more, so long at most"},
    OptionRow{"accept-loss", Takes::text, "N",
              "undo though exactly N values did not go back to the old column since contract, or at most N rows have "
              "values that the old shape cannot hold"},
    OptionRow{"progress", Takes::text, "WAY", "auto, bar, plain, json or none"},
    OptionRow{"watch", Takes::nothing, "",
              "go on until the run NAME is over, or for ever; with --json a document each second"},
    OptionRow{"metrics", Takes::nothing, "", "series for Prometheus, such as for node_exporter's textfile collector"},
    OptionRow{"json", Takes::nothing, "", "JSON instead of text; docs/commands.md has the shapes"},
};

struct VerbRow {
    std::string_view name;
    Verb verb;
    std::size_t words_min, words_max;
    std::string_view words;
    std::vector<std::string_view> options;
    std::string_view meaning;
    std::string_view example;
};

std::vector<VerbRow> const& verbs() {
    static std::vector<VerbRow> const rows{
        {"run",
         Verb::run,
         1,
         1,
         "PLAN",
         {"until", "approve", "no-wait", "take-over", "subscribers-ready", "allow-command", "http", "linger",
          "progress", "json", "database"},
         "run a plan; continues by itself where an earlier run stopped",
         "weir run users-full-name.yaml --database postgresql://weir@db1/shop"},
        {"plan",
         Verb::plan,
         1,
         1,
         "PLAN",
         {"json", "database"},
         "show the compiled steps: SQL, locks, who waits, undo",
         "weir plan users-full-name.yaml --database postgresql://weir@db1/shop"},
        {"status",
         Verb::status,
         0,
         1,
         "[NAME]",
         {"watch", "metrics", "json", "database"},
         "history and progress, from the ledger",
         "weir status users-full-name --watch"},
        {"approve",
         Verb::approve,
         2,
         2,
         "NAME GATE",
         {"json", "database"},
         "let a run that waits at a gate go on",
         "weir approve users-full-name contract"},
        {"abort",
         Verb::abort,
         1,
         1,
         "NAME",
         {"accept-loss", "approve", "progress", "json", "database"},
         "undo a run, until it has dropped something or rests in quarantine",
         "weir abort users-full-name"},
        {"pause",
         Verb::pause,
         1,
         1,
         "NAME",
         {"json", "database"},
         "let a run begin nothing new until it is resumed",
         "weir pause users-full-name"},
        {"resume",
         Verb::resume,
         1,
         1,
         "NAME",
         {"json", "database"},
         "let a paused run go on",
         "weir resume users-full-name"},
        {"set",
         Verb::set,
         3,
         3,
         "NAME KEY VALUE",
         {"json", "database"},
         "change batch.…, throttle.… or locks.… of a live run",
         "weir set users-full-name throttle.replication_lag 5s"},
        {"rollback",
         Verb::rollback,
         1,
         1,
         "NAME",
         {"accept-loss", "approve", "progress", "json", "database"},
         "bring back what contract has set aside, and undo the run",
         "weir rollback users-full-name"},
        {"purge",
         Verb::purge,
         0,
         1,
         "[NAME]",
         {"progress", "json", "database"},
         "drop what is in quarantine, where its time is over",
         "weir purge"},
        {"ledger",
         Verb::ledger,
         0,
         0,
         "",
         {"json"},
         "print the SQL of the ledger's tables, for subscribers",
         "weir ledger | psql --dbname shop_copy"},
        {"version", Verb::version, 0, 0, "", {"json"}, "print the version", "weir version --json"},
        {"help", Verb::help, 0, 1, "[COMMAND]", {}, "print this, or what a command takes", "weir help run"},
    };
    return rows;
}

po::options_description described() {
    po::options_description all;
    auto add = all.add_options();
    for (auto const& row : option_rows) {
        std::string const name{row.name};
        if (row.takes == Takes::nothing)
            add(name.c_str(), po::bool_switch(), "");
        else if (row.takes == Takes::text)
            add(name.c_str(), po::value<std::string>(), "");
        else
            add(name.c_str(), po::value<std::vector<std::string>>()->composing(), "");
    }
    add("help", po::bool_switch(), "")("words", po::value<std::vector<std::string>>(), "");
    return all;
}

Problem usage(std::string message, std::string hint = "weir help") {
    return {Code::usage, {}, std::move(message), std::move(hint)};
}

using Given = po::variables_map;

/// What stands on the command line; no option has its meaning yet.
std::variant<Given, Problem> parsed(int argc, char const* const* argv) {
    Given given;
    po::positional_options_description positional;
    positional.add("words", -1);
    auto const all = described();
    try {
        // No guessing: an abbreviated option could become another one in the next version.
        int const style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
        po::store(po::command_line_parser(argc, argv).options(all).positional(positional).style(style).run(), given);
        po::notify(given);
        return given;
    } catch (po::unknown_option const& error) {
        std::vector<std::string> spelled{"--help"};
        for (auto const& row : option_rows) spelled.push_back("--" + std::string{row.name});
        std::vector<std::string_view> const names{spelled.begin(), spelled.end()};
        auto const near = nearest(error.get_option_name(), names);
        return usage("unknown option " + error.get_option_name(), error.get_option_name() == "--version"
                                                                      ? "weir version"
                                                                  : near.empty() ? "weir help"
                                                                                 : "did you mean " + near + "?");
    } catch (po::error const& error) {
        return usage(error.what());
    }
}

std::string text(Given const& given, char const* name) {
    return given.count(name) ? given[name].as<std::string>() : std::string{};
}

bool takes(VerbRow const& row, std::string_view option) {
    return std::find(row.options.begin(), row.options.end(), option) != row.options.end();
}

std::variant<VerbRow const*, Problem> verb_of(std::string const& word) {
    auto const row = std::find_if(verbs().begin(), verbs().end(), [&](VerbRow const& v) { return v.name == word; });
    if (row != verbs().end()) return &*row;
    std::vector<std::string_view> names;
    for (auto const& verb : verbs()) names.push_back(verb.name);
    auto const near = nearest(word, names);
    return usage("unknown command " + word, near.empty() ? "weir help" : "did you mean " + near + "?");
}

/// What the command does not take.
std::optional<Problem> misplaced(VerbRow const& row, Given const& given, std::size_t words) {
    auto const shape = "weir " + std::string{row.name} + (row.words.empty() ? "" : " " + std::string{row.words});
    if (words < row.words_min || words > row.words_max)
        return usage("wrong number of words for " + std::string{row.name}, "it is: " + shape);
    for (auto const& option : option_rows) {
        auto const& value = given[std::string{option.name}];
        bool const stands = option.takes == Takes::nothing ? value.as<bool>() : !value.empty();
        if (stands && !takes(row, option.name))
            return usage("--" + std::string{option.name} + " is no option of " + std::string{row.name},
                         "weir help " + std::string{row.name});
    }
    return std::nullopt;
}

void take_flags(Options& options, Given const& given) {
    auto const flag = [&](char const* name) { return given[name].as<bool>(); };
    options.no_wait = flag("no-wait");
    options.take_over = flag("take-over");
    options.subscribers_ready = flag("subscribers-ready");
    options.allow_command = flag("allow-command");
    options.json = flag("json");
    options.watch = flag("watch");
    options.metrics = flag("metrics");
}

std::optional<Problem> take_http(Options& options, Given const& given) {
    options.http = text(given, "http");
    if (!given.count("linger")) return std::nullopt;
    options.linger = read_duration(text(given, "linger"));
    if (!options.linger)
        return usage("--linger " + text(given, "linger") + ": that is no time",
                     "write a whole number and a unit (ms, s, m, h, d), such as 30s");
    if (options.http.empty())
        return usage("--linger needs --http", "it keeps /metrics for a last scrape after the end of the run");
    return std::nullopt;
}

std::optional<Problem> take_gates(Options& options, Given const& given) {
    if (!given.count("approve")) return std::nullopt;
    for (auto const& gate : given["approve"].as<std::vector<std::string>>()) {
        if (gate != "contract" && gate != "all")
            return usage("--approve " + gate + ": there is no such gate",
                         "the gate is called contract; all approves every gate");
        options.approve.insert(gate);
    }
    return std::nullopt;
}

std::optional<Problem> take_phase(Options& options, Given const& given) {
    if (!given.count("until")) return std::nullopt;
    for (auto const phase : {Phase::expand, Phase::backfill, Phase::proof, Phase::contract})
        if (name(phase) == text(given, "until")) options.until = phase;
    if (options.until) return std::nullopt;
    return usage("--until " + text(given, "until") + ": there is no such phase",
                 "phases are expand, backfill, proof and contract");
}

std::optional<Problem> take_loss(Options& options, Given const& given) {
    if (!given.count("accept-loss")) return std::nullopt;
    auto const number = text(given, "accept-loss");
    std::int64_t count = 0;
    auto const [end, error] = std::from_chars(number.data(), number.data() + number.size(), count);
    if (error != std::errc{} || end != number.data() + number.size() || count < 0)
        return usage("--accept-loss " + number + " is not a number of values",
                     "write the number that weir rollback names");
    options.accept_loss = count;
    return std::nullopt;
}

std::optional<Problem> take_progress(Options& options, VerbRow const& row, Given const& given) {
    if (given.count("progress")) {
        options.progress = text(given, "progress");
        static constexpr std::array modes{"auto", "bar", "plain", "json", "none"};
        if (std::find(modes.begin(), modes.end(), options.progress) == modes.end())
            return usage("--progress " + options.progress + ": there is no such way", "auto, bar, plain, json or none");
        if (options.json && options.progress != "json")
            return usage("--json and --progress " + options.progress + " exclude each other",
                         "--json is --progress json");
    }
    bool const works = takes(row, "progress");
    if (works && options.json) options.progress = "json";
    if (works && options.progress == "json") options.json = true;
    return std::nullopt;
}

}  // namespace

std::variant<Options, Problem> read_options(int argc, char const* const* argv) {
    Options options;
    auto const came = parsed(argc, argv);
    if (auto const* problem = std::get_if<Problem>(&came)) return *problem;
    auto const& given = std::get<Given>(came);
    std::vector<std::string> words;
    if (given.count("words")) words = given["words"].as<std::vector<std::string>>();
    if (words.empty()) return options;

    auto const verb = verb_of(words[0]);
    if (auto const* problem = std::get_if<Problem>(&verb)) return *problem;
    auto const& row = *std::get<VerbRow const*>(verb);
    if (given["help"].as<bool>()) {
        options.words.emplace_back(row.name);
        return options;
    }
    options.verb = row.verb;
    options.words.assign(words.begin() + 1, words.end());
    if (auto problem = misplaced(row, given, options.words.size())) return *std::move(problem);
    if (row.verb == Verb::help && !options.words.empty()) {
        auto const about = verb_of(options.words[0]);
        if (auto const* problem = std::get_if<Problem>(&about)) return *problem;
    }

    options.database = text(given, "database");
    take_flags(options, given);
    if (auto problem = take_http(options, given)) return *std::move(problem);
    if (options.metrics && (options.json || options.watch || !options.words.empty()))
        return usage("--metrics stands alone", "weir status --metrics prints the series of all runs and ends");
    for (auto* const take : {take_gates, take_phase, take_loss})
        if (auto problem = take(options, given)) return *std::move(problem);
    if (auto problem = take_progress(options, row, given)) return *std::move(problem);
    return options;
}

namespace {

/// Lines of at most `columns`, each but the first behind `indent` spaces.
std::string folded(std::string_view text, std::size_t columns, std::size_t indent) {
    std::string lines;
    std::size_t used = 0;
    while (!text.empty()) {
        auto const word = text.substr(0, text.find(' '));
        if (used > 0 && used + 1 + word.size() > columns) {
            lines += "\n" + std::string(indent, ' ');
            used = 0;
        } else if (used > 0) {
            lines += ' ';
            ++used;
        }
        lines += word;
        used += word.size();
        text.remove_prefix(std::min(text.size(), word.size() + 1));
    }
    return lines;
}

std::string usage_of(VerbRow const& verb) {
    return "weir " + std::string{verb.name} + (verb.words.empty() ? "" : " " + std::string{verb.words});
}

std::string help_of(VerbRow const& verb) {
    std::string text =
        "  " + std::string{verb.example} + "\n\n" + usage_of(verb) + ": " + std::string{verb.meaning} + "\n";
    if (!verb.options.empty()) text += '\n';
    for (auto const name : verb.options) {
        auto const* const option = std::find_if(option_rows.begin(), option_rows.end(),
                                                [&](OptionRow const& row) { return row.name == name; });
        std::string line = "  --" + std::string{name} + (option->value.empty() ? "" : " " + std::string{option->value});
        constexpr std::size_t column = 26;
        line.resize(std::max(line.size() + 2, column), ' ');
        text += line + folded(option->meaning, 92, column) + "\n";
    }
    return text;
}

}  // namespace

std::string help_text(std::string_view command) {
    for (auto const& verb : verbs())
        if (verb.name == command) return help_of(verb);
    std::string text = "weir changes a PostgreSQL schema while the application keeps reading and writing.\n\n";
    for (auto const& verb : verbs()) {
        std::string line = "  " + usage_of(verb);
        line.resize(std::max<std::size_t>(line.size() + 2, 28), ' ');
        text += line + std::string{verb.meaning} + "\n";
    }
    return text +
           "\nweir COMMAND --help: an example, and what the command takes\n"
           "\nexit codes: 0 done, 1 problem in the plan, 2 usage, 3 waiting, 4 stopped (safe to run again),\n"
           "5 refused, 6 undone, 70 a bug in weir\n";
}

}  // namespace weir
