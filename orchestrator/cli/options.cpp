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

struct VerbRow {
    std::string_view name;
    Verb verb;
    std::size_t words_min, words_max;
    std::string_view words;
    std::vector<std::string_view> options;
    std::string_view meaning;
};

std::vector<VerbRow> const& verbs() {
    static std::vector<VerbRow> const rows{
        {"run",
         Verb::run,
         1,
         1,
         "PLAN",
         {"database", "until", "approve", "no-wait", "take-over", "subscribers-ready", "allow-command", "progress",
          "json", "http", "linger"},
         "run a plan; continues by itself where an earlier run stopped"},
        {"plan",
         Verb::plan,
         1,
         1,
         "PLAN",
         {"database", "json"},
         "show the compiled steps: SQL, locks, who waits, undo"},
        {"status",
         Verb::status,
         0,
         1,
         "[NAME]",
         {"database", "json", "watch", "metrics"},
         "history and progress, from the ledger"},
        {"approve", Verb::approve, 2, 2, "NAME GATE", {"database", "json"}, "let a run that waits at a gate go on"},
        {"abort",
         Verb::abort,
         1,
         1,
         "NAME",
         {"database", "progress", "json", "accept-loss", "approve"},
         "undo a run, until it has dropped something or rests in quarantine"},
        {"pause", Verb::pause, 1, 1, "NAME", {"database", "json"}, "let a run begin nothing new until it is resumed"},
        {"resume", Verb::resume, 1, 1, "NAME", {"database", "json"}, "let a paused run go on"},
        {"set",
         Verb::set,
         3,
         3,
         "NAME KEY VALUE",
         {"database", "json"},
         "change batch.…, throttle.… or locks.… of a live run"},
        {"rollback",
         Verb::rollback,
         1,
         1,
         "NAME",
         {"database", "progress", "json", "accept-loss", "approve"},
         "bring back what contract has set aside, and undo the run"},
        {"purge",
         Verb::purge,
         0,
         1,
         "[NAME]",
         {"database", "progress", "json"},
         "drop what is in quarantine, where its time is over"},
        {"ledger", Verb::ledger, 0, 0, "", {"json"}, "print the SQL of the ledger's tables, for subscribers"},
        {"version", Verb::version, 0, 0, "", {"json"}, "print the version"},
        {"help", Verb::help, 0, 1, "", {}, "print this"},
    };
    return rows;
}

po::options_description described() {
    po::options_description all;
    all.add_options()  //
        ("database", po::value<std::string>(), "")("until", po::value<std::string>(), "")(
            "approve", po::value<std::vector<std::string>>()->composing(), "")("no-wait", po::bool_switch(), "")(
            "take-over", po::bool_switch(), "")("subscribers-ready", po::bool_switch(), "")(
            "allow-command", po::bool_switch(), "")("accept-loss", po::value<std::string>(), "")(
            "progress", po::value<std::string>(), "")("linger", po::value<std::string>(), "")(
            "http", po::value<std::string>(), "")("json", po::bool_switch(), "")("watch", po::bool_switch(), "")(
            "metrics", po::bool_switch(), "")("help", po::bool_switch(), "")("words",
                                                                             po::value<std::vector<std::string>>(), "");
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
        std::vector<std::string_view> const names{
            "--database", "--until",   "--approve", "--no-wait",           "--take-over",
            "--progress", "--http",    "--linger",  "--accept-loss",       "--watch",
            "--json",     "--metrics", "--help",    "--subscribers-ready", "--allow-command"};
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
    for (std::string_view const name : {"database", "until", "approve", "progress", "http", "linger", "accept-loss"})
        if (given.count(std::string{name}) && !takes(row, name))
            return usage("--" + std::string{name} + " is no option of " + std::string{row.name});
    for (std::string_view const name :
         {"no-wait", "take-over", "subscribers-ready", "allow-command", "json", "watch", "metrics"})
        if (given[std::string{name}].as<bool>() && !takes(row, name))
            return usage("--" + std::string{name} + " is no option of " + std::string{row.name});
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
    if (given["help"].as<bool>() || words.empty()) return options;

    auto const verb = verb_of(words[0]);
    if (auto const* problem = std::get_if<Problem>(&verb)) return *problem;
    auto const& row = *std::get<VerbRow const*>(verb);
    options.verb = row.verb;
    options.words.assign(words.begin() + 1, words.end());
    if (auto problem = misplaced(row, given, options.words.size())) return *std::move(problem);

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

std::string help_text() {
    std::string text = "weir changes a PostgreSQL schema while the application keeps reading and writing.\n\n";
    for (auto const& verb : verbs()) {
        std::string line = "  weir " + std::string{verb.name} + " " + std::string{verb.words};
        line.resize(std::max<std::size_t>(line.size() + 2, 28), ' ');
        text += line + std::string{verb.meaning} + "\n";
    }
    text +=
        "\nall commands but ledger, version and help take\n"
        "  --database URL            libpq URL or keywords, without a password; default: PGHOST, PGDATABASE, PGSERVICE "
        "…\n"
        "all commands but help take\n"
        "  --json                    JSON instead of text; docs/commands.md has the shapes\n"
        "run takes\n"
        "  --until PHASE             stop after expand, backfill, proof or contract\n"
        "  --approve GATE|all        approve a gate beforehand\n"
        "  --no-wait                 exit 3 at a gate, at a window, or when paused, instead of waiting\n"
        "  --take-over               end the sessions of the weir that works on this plan, and go on in its place\n"
        "  --subscribers-ready       the subscribers of a publication FOR ALL TABLES have what weir ledger prints\n"
        "  --allow-command           the plan's notify.command may be run, as the user that weir runs as\n"
        "  --http ADDR:PORT          serve the dashboard, /metrics, /healthz and /readyz\n"
        "  --linger DURATION         keep /metrics after the end until it was scraped once more, so long at most\n"
        "  --progress WAY            auto, bar, plain, json or none\n"
        "abort and rollback take\n"
        "  --approve GATE|all        do not wait until nothing uses the new shape any more\n"
        "  --accept-loss N           undo though exactly N values did not go back to the old column since contract,\n"
        "                            or at most N rows have values that the old shape cannot hold\n"
        "status takes\n"
        "  --metrics                 series for Prometheus, such as for node_exporter's textfile collector\n"
        "  --watch                   go on until the run NAME is over, or for ever; with --json a document each "
        "second\n"
        "\nexit codes: 0 done, 1 problem in the plan, 2 usage, 3 waiting, 4 stopped (safe to run again),\n"
        "5 refused, 6 undone, 70 a bug in weir\n";
    return text;
}

}  // namespace weir
