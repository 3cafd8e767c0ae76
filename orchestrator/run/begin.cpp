#include "orchestrator/run/begin.h"

#include <optional>
#include <utility>

#include "orchestrator/postgres/leadership.h"
#include "orchestrator/run/checks.h"
#include "orchestrator/run/version.h"
#include "orchestrator/run/watch.h"
#include "phases/program.h"

namespace weir {
namespace {

/// One begin(), a function for each thing that it does, in order. A Finish or Problems end it.
class Beginning {
  public:
    using End = std::optional<std::variant<Finish, Problems>>;

    Beginning(RunContext& context, Asker& asker) : context_{context}, request_{context.request}, asker_{asker} {}

    std::variant<Begun, Finish, Problems> run() {
        for (auto const part : {&Beginning::take_lead_again, &Beginning::take_the_lead, &Beginning::read_what_is_to_do,
                                &Beginning::look_first, &Beginning::end_other_hands, &Beginning::write_first_entry})
            if (auto end = (this->*part)())
                return std::visit([](auto& came) { return std::variant<Begun, Finish, Problems>{std::move(came)}; },
                                  *end);
        return std::move(begun_);
    }

  private:
    /// Somebody may have led since our last connection.
    End take_lead_again() {
        if (!context_.led) return {};
        auto problem = passed(asker_, *context_.led);
        if (!problem) return {};
        context_.displaced = problem->code == Code::other_leader;
        return Problems{*std::move(problem)};
    }

    End take_the_lead() {
        end_hands_ = context_.take_over;
        if (auto problem = end_hands_ ? take_over(asker_, request_.name, ended_) : take_lead(asker_))
            return Problems{*std::move(problem)};
        context_.take_over = false;
        return {};
    }

    /// The looking is repeated now that nobody else can act.
    End read_what_is_to_do() {
        auto const& name = request_.name;
        bool const purges = request_.task == Task::purge;
        auto prepared = request_.plan ? prepare(asker_, *request_.plan)
                                      : prepare_live(asker_, name, purges ? Over::given : Over::refused);
        if (auto* problems = std::get_if<Problems>(&prepared)) return std::move(*problems);
        begun_.ready = std::get<Prepared>(std::move(prepared));
        auto const& record = begun_.ready.record;
        if (record && (record->finished || (purges && record->undone))) return nothing_to_do(*record);
        if (purges && !in_quarantine())
            return Problems{{Code::not_now,
                             {},
                             "plan " + name + " has nothing in quarantine that may be dropped",
                             record->rolling_back ? "it is being rolled back: weir rollback " + name + " goes on"
                                                  : "its run is not so far: weir status " + name + " shows it"}};
        return {};
    }

    End look_first() {
        auto const* plan = request_.plan;
        auto const& ready = begun_.ready;
        // Who has only the name goes by the plan as the ledger has it.
        auto const& said = plan ? *plan : *ready.began;
        auto& settings = begun_.settings;
        if (plan) settings = plan->settings;
        settings.lock_timeout = said.settings.lock_timeout;
        settings.lock_give_up = said.settings.lock_give_up;
        settings.on_blocked = said.settings.on_blocked;
        bool const saves = request_.task == Task::run || request_.task == Task::purge;
        Backups backups;
        if (saves) {
            auto looked = look_at_backups(asker_, said.backup, ready.program, goes_on() ? *ready.record : RunRecord{});
            if (auto* problem = std::get_if<Problem>(&looked)) return Problems{*problem};
            backups = std::get<Backups>(std::move(looked));
        }
        begun_.backups = backups.directory;
        auto unreadable = try_signals(asker_, request_.name, tables_of(ready.program), settings);
        begun_.warnings = std::move(unreadable.warnings);
        if (backups.warning) begun_.warnings.push_back(*std::move(backups.warning));
        if (plan && !unreadable.problems.empty()) return std::move(unreadable.problems);
        if (plan)
            if (auto problems = refused_queries(asker_, *plan, ready.program); !problems.empty()) return problems;
        if (!saves || !in_quarantine()) return {};
        auto used = still_used(asker_, request_.name, ready.record->run);
        if (auto* problem = std::get_if<Problem>(&used)) return Problems{*problem};
        for (auto& warning : std::get<std::vector<Warned>>(used)) begun_.warnings.push_back(std::move(warning));
        return {};
    }

    End end_other_hands() {
        if (!begun_.ready.ledger)
            if (auto problem = make_ledger(asker_, waits_, request_.subscribers_ready)) return Problems{*problem};
        // It may be raised without our hearing of it.
        context_.led.reset();
        auto const raised = raise_and_wait(asker_, end_hands_, waits_, request_.subscribers_ready);
        if (auto const* problem = std::get_if<Problem>(&raised)) return Problems{*problem};
        begun_.epoch = std::get<Epoch>(raised);
        context_.led = begun_.epoch;
        if (!ended_.empty())
            begun_.warnings.push_back(
                {"took over from " + ended_, "that weir exits with code 5 as soon as it notices"});
        return {};
    }

    End write_first_entry() {
        auto& record = begun_.record;
        auto const& ready = begun_.ready;
        if (goes_on()) {
            // What the predecessor's last strings did is known only now that its hands are gone.
            auto loaded = load_run(asker_, request_.name);
            if (auto* problem = std::get_if<Problem>(&loaded)) return Problems{*problem};
            record = *std::get<std::optional<RunRecord>>(std::move(loaded));
            if (record.finished || record.undone) return nothing_to_do(record);
            return {};
        }
        auto const& plan = *request_.plan;
        record.run = ready.program.run;
        record.begin.name = request_.name;
        record.begin.plan = plan.text;
        record.begin.catalog = ready.catalog;
        record.begin.version = version;
        record.begin.hash = ready.program.hash;
        record.begin.identity = fingerprint(plan.identity);
        auto const newest = asker_.ask(newest_order());
        if (newest.fate != Fate::done) return Problems{problem_of(newest, "cannot read the ledger")};
        record.begin.order = std::stoll(newest.rows[0].fields[0].value_or("0"));
        auto const began = asker_.ask({sql("SET LOCAL synchronous_commit = on"), fence(begun_.epoch),
                                       insert_entry(record.run, 1, begun_.epoch, EntryKind::began, "", record.begin)},
                                      waits_);
        if (began.fate != Fate::done) return Problems{problem_of(began, "cannot write the ledger")};
        record.last_seq = 1;
        return {};
    }

    Finish nothing_to_do(RunRecord const& record) const {
        request_.nothing_to_do(std::string{how_it_ended(record)}, record.ended_at);
        return {record.finished || request_.task == Task::purge ? 0 : 6};
    }
    bool goes_on() const { return begun_.ready.record && !begun_.ready.record->undone; }
    bool in_quarantine() const {
        auto const& record = begun_.ready.record;
        return record && record->quarantined && !record->rolling_back;
    }
    bool wait_for_standby(std::string const& standbys) {
        if (!std::exchange(waited_, true))
            context_.outputs.say(
                Warned{"waits for a synchronous standby: none of synchronous_standby_names ('" + standbys +
                           "') confirms what weir writes to its ledger, so commits of the application wait, too",
                       "bring back a standby, or change that setting; no step is taken and no table of yours is locked "
                       "meanwhile"});
        return context_.interrupts.times() == 0;
    }

    RunContext& context_;
    RunRequest const& request_;
    Asker& asker_;
    Begun begun_;
    bool end_hands_{};   ///< of a weir that works on this plan
    std::string ended_;  ///< it
    bool waited_{};
    Asker::Waits waits_{[this](std::string const& standbys) { return wait_for_standby(standbys); }};
};

}  // namespace

std::variant<Begun, Finish, Problems> begin(RunContext& context, Asker& asker) {
    return Beginning{context, asker}.run();
}

}  // namespace weir
