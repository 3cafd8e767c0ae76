#include "orchestrator/postgres/leadership.h"

#include <chrono>
#include <thread>

#include "orchestrator/machine/ledger_schema.h"
#include "plans/plan.h"

namespace weir {
namespace {

constexpr std::chrono::seconds hands_deadline{60};
constexpr std::chrono::milliseconds hands_poll{100};
/// A weir that has just ended, or was killed, leads until the server has noticed (client_connection_check_interval).
constexpr std::chrono::milliseconds leader_deadline{1000};
constexpr std::chrono::milliseconds leader_poll{20};
constexpr int unnamed_at_most = 5;
/// A session that was told to end ends at its next look; one that waits for a synchronous standby, too.
constexpr std::chrono::milliseconds ending_deadline{10000};

constexpr auto readers_grant = "docs/security.md has the grants of those who read the ledger";

bool yes(Outcome const& outcome, std::size_t field = 0) {
    return outcome.fate == Fate::done && !outcome.rows.empty() && outcome.rows[0].fields[field] == "t";
}

/// Of a row of who_leads().
std::string in_words(Row const& leader) {
    auto const field = [&](std::size_t i) { return leader.fields[i].value_or("?"); };
    return "pid " + field(0) + ", user " + field(1) + ", \"" + field(2) + "\", since " + field(3) + ", from " +
           field(4);
}

bool names(Outcome const& who) { return who.fate == Fate::done && !who.rows.empty(); }

/// `who`: the answer to who_leads().
Problem other_leader(Outcome const& who, std::string text = "another weir works on this database",
                     std::string hint =
                         "wait for it, or stop it and run again: the run goes on where it stands; if it "
                         "is dead or out of reach: weir run PLAN --take-over") {
    if (names(who)) text += ": " + in_words(who.rows[0]);
    return {Code::other_leader, {}, std::move(text), std::move(hint)};
}

/// The ledger's epoch; nothing when there is no ledger.
std::variant<std::optional<Epoch>, Problem> epoch_of(Asker& asker) {
    auto const ledger = has_ledger(asker);
    if (auto const* problem = std::get_if<Problem>(&ledger)) return *problem;
    if (!std::get<bool>(ledger)) return std::nullopt;
    auto const meta = asker.ask(read_meta());
    if (meta.fate != Fate::done || meta.rows.empty()) return problem_of(meta, "cannot read the ledger");
    return Epoch{std::stoll(meta.rows[0].fields[1].value_or("0"))};
}

/// A new table of the ledger in a publication FOR ALL TABLES stops its subscribers, which do not have it.
std::optional<Problem> sent_to_subscribers(Asker& asker, bool ready) {
    if (ready) return std::nullopt;
    auto const published =
        asker.ask({sql("SELECT pubname FROM pg_catalog.pg_publication WHERE puballtables ORDER BY 1")});
    if (published.fate != Fate::done) return problem_of(published, "cannot look at the publications");
    if (!published.rows.empty())
        return Problem{Code::not_now,
                       {},
                       "publication " + published.rows[0].fields[0].value_or("?") +
                           " is FOR ALL TABLES: its subscribers would stop at the first row of the ledger",
                       "run on every subscriber what `weir ledger` prints, then weir run with --subscribers-ready; or "
                       "list the tables in the publication"};
    return std::nullopt;
}

std::optional<Problem> upgrade(Asker& asker, bool subscribers_ready) {
    auto const meta = asker.ask(read_meta());
    if (meta.fate != Fate::done || meta.rows.empty()) return problem_of(meta, "cannot read the ledger");
    if (std::stoi(meta.rows[0].fields[0].value_or("0")) >= ledger_version) return std::nullopt;
    if (auto problem = sent_to_subscribers(asker, subscribers_ready)) return problem;
    auto const upgraded = asker.ask(upgrade_ledger());
    if (upgraded.fate != Fate::done) return problem_of(upgraded, "cannot upgrade the ledger");
    return std::nullopt;
}

}  // namespace

std::optional<Problem> take_lead(Asker& asker) {
    auto const deadline = std::chrono::steady_clock::now() + leader_deadline;
    int unnamed = 0;
    for (;;) {
        auto const taken = asker.ask(try_leader());
        if (taken.fate != Fate::done) return problem_of(taken, "cannot take the leader's lock");
        if (yes(taken)) return std::nullopt;
        if (std::chrono::steady_clock::now() >= deadline) {
            auto const who = asker.ask(who_leads());
            // Whoever led may just have ended: then it is our turn.
            if (names(who) || ++unnamed > unnamed_at_most) return other_leader(who);
        }
        std::this_thread::sleep_for(leader_poll);
    }
}

std::optional<Problem> take_over(Asker& asker, std::string const& plan_name, std::string& told) {
    // Read before the leader is looked at: whoever leads after that one raises it, and raise_past() then misses.
    auto const seen = epoch_of(asker);
    if (auto const* problem = std::get_if<Problem>(&seen)) return *problem;
    auto const who = asker.ask(look_at_leader());
    if (who.fate != Fate::done) return problem_of(who, "cannot see who leads");
    if (who.rows.empty()) return take_lead(asker);
    auto const& leader = who.rows[0];
    auto const field = [&](std::size_t i) { return leader.fields[i].value_or(""); };
    if (field(2) != control_name(plan_name))
        return Problem{
            Code::other_leader,
            {},
            "what leads in this database does not work on plan " + plan_name + ": " + in_words(leader),
            "--take-over takes over the plan that it names: run that one with it, or end the session yourself"};
    if (field(6) != "t")
        return Problem{Code::no_privilege,
                       {},
                       "the session that leads may not be ended by this role: " + in_words(leader),
                       "connect as " + field(1) + ", or GRANT pg_signal_backend TO the role that weir uses"};
    if (auto const& epoch = std::get<std::optional<Epoch>>(seen)) {
        auto const raised = asker.ask(raise_past(*epoch));
        if (raised.fate != Fate::done) return problem_of(raised, "cannot raise the ledger's epoch");
        if (raised.rows.empty()) return other_leader(asker.ask(who_leads()), "another weir was faster");
    }
    auto const ended = asker.ask(end_leader(field(0), field(5)));
    if (ended.fate != Fate::done) return problem_of(ended, "cannot end the session that leads");
    told = in_words(leader);
    auto const deadline = std::chrono::steady_clock::now() + ending_deadline;
    for (;;) {
        auto const taken = asker.ask(try_leader());
        if (taken.fate != Fate::done) return problem_of(taken, "cannot take the leader's lock");
        if (yes(taken)) return std::nullopt;
        auto const now = asker.ask(look_at_leader());
        bool const another = now.fate == Fate::done && !now.rows.empty() && now.rows[0].fields[5] != leader.fields[5];
        if (another || std::chrono::steady_clock::now() >= deadline)
            return other_leader(asker.ask(who_leads()),
                                another ? "another weir was faster" : "the session that leads does not end");
        std::this_thread::sleep_for(leader_poll);
    }
}

std::optional<Problem> passed(Asker& asker, Epoch led) {
    auto const now = epoch_of(asker);
    if (auto const* problem = std::get_if<Problem>(&now)) return *problem;
    auto const& epoch = std::get<std::optional<Epoch>>(now);
    if (!epoch || *epoch <= led) return std::nullopt;
    return other_leader(asker.ask(who_leads()),
                        "another weir has taken over: epoch " + std::to_string(static_cast<std::int64_t>(*epoch)) +
                            " has passed " + std::to_string(static_cast<std::int64_t>(led)),
                        "weir status shows where the run stands; if nobody works on it, run it again");
}

std::string control_name(std::string const& plan_name) {
    constexpr std::size_t server_keeps = 63, whole = 63 - sizeof("weir  control") + 1, digits = 8;
    if (plan_name.size() <= whole) return "weir " + plan_name + " control";
    static_assert(server_keeps > whole);
    return "weir " + plan_name.substr(0, whole - digits - 1) + "~" + fingerprint(plan_name).substr(0, digits) +
           " control";
}

std::variant<bool, Problem> has_ledger(Asker& asker) {
    auto const look = asker.ask(look_for_ledger());
    if (look.fate != Fate::done) return problem_of(look, "cannot look for the ledger", readers_grant);
    if (!yes(look)) {
        if (!yes(look, 1)) return false;
        if (yes(look, 2)) return damaged("table weir.meta is missing");
        return Problem{Code::ledger_version,
                       {},
                       "schema weir or weir_sync exists, and it is no ledger of weir's",
                       "weir keeps its ledger in schema weir and its functions in weir_sync: rename the other one"};
    }
    auto const meta = asker.ask(read_meta());
    if (meta.fate != Fate::done) return problem_of(meta, "cannot read the ledger", readers_grant);
    if (meta.rows.empty()) return damaged("table weir.meta is empty");
    if (std::stoi(meta.rows[0].fields[0].value_or("0")) > ledger_version)
        return Problem{Code::ledger_version,
                       {},
                       "the ledger is of version " + meta.rows[0].fields[0].value_or("?") + ", and this weir knows " +
                           std::to_string(ledger_version),
                       "use the weir that wrote it, or a newer one"};
    auto const parts = asker.ask(look_for_parts());
    if (parts.fate != Fate::done || parts.rows.empty())
        return problem_of(parts, "cannot read the ledger", readers_grant);
    if (auto const& missing = parts.rows[0].fields[0]) return damaged("missing: " + *missing);
    return true;
}

std::optional<Problem> make_ledger(Asker& asker, Asker::Waits const& waits, bool subscribers_ready) {
    if (auto problem = sent_to_subscribers(asker, subscribers_ready)) return problem;
    auto const made = asker.ask(create_ledger(), waits);
    if (made.fate != Fate::done) return problem_of(made, "cannot create schema weir for the ledger");
    return std::nullopt;
}

std::variant<Epoch, Problem> raise_and_wait(Asker& asker, bool end_them, Asker::Waits const& waits,
                                            bool subscribers_ready) {
    auto const raised = asker.ask(raise_epoch(), waits);
    if (raised.fate != Fate::done || raised.rows.empty()) return problem_of(raised, "cannot raise the ledger's epoch");
    Epoch const epoch{std::stoll(raised.rows[0].fields[0].value_or("0"))};
    auto const deadline = std::chrono::steady_clock::now() + hands_deadline;
    for (;;) {
        auto const hands = asker.ask(try_all_hands());
        if (hands.fate != Fate::done) return problem_of(hands, "cannot look for working sessions");
        if (yes(hands)) {
            if (auto problem = upgrade(asker, subscribers_ready)) return *std::move(problem);
            return epoch;
        }
        if (end_them) {
            auto const ended = asker.ask(end_hands());
            if (ended.fate != Fate::done) return problem_of(ended, "cannot end the working sessions of the other weir");
        }
        if (std::chrono::steady_clock::now() >= deadline)
            return Problem{
                Code::other_leader,
                {},
                "working sessions of an earlier weir are still alive after 60 s",
                "SELECT pid, application_name FROM pg_stat_activity WHERE application_name LIKE 'weir % hand %'; "
                "end them with pg_terminate_backend(pid), and run again"};
        std::this_thread::sleep_for(hands_poll);
    }
}

Problem damaged(std::string const& faults) {
    return {Code::ledger_damaged,
            {},
            "the ledger in schema weir is not as weir leaves it: " + faults,
            "nothing was begun or gone on with; put the ledger back as it was, or see \"When it is damaged\" in "
            "docs/ledger.md"};
}

std::variant<std::optional<RunRecord>, Problem> load_run(Asker& asker, std::string const& plan_name) {
    auto const audit = asker.ask(audit_ledger());
    if (audit.fate != Fate::done) return problem_of(audit, "cannot read the ledger", readers_grant);
    std::string faults;
    for (auto const& row : audit.rows) faults += (faults.empty() ? "" : "; ") + row.fields[0].value_or("?");
    if (!faults.empty()) return damaged(faults);
    auto const rows = asker.ask(read_run(plan_name));
    if (rows.fate != Fate::done) return problem_of(rows, "cannot read the ledger", readers_grant);
    try {
        return fold(rows.rows);
    } catch (std::exception const&) {
        return damaged("an entry of run " + rows.rows[0].fields[0].value_or("?") +
                       " holds no number where weir writes one");
    }
}

}  // namespace weir
