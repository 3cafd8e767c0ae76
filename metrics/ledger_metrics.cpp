#include "metrics/ledger_metrics.h"

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>
#include <utility>

namespace weir {
namespace {

using Labels = std::vector<std::pair<std::string, std::string>>;

class Families {
  public:
    void add(char const* name, char const* help, Labels labels, double value) {
        auto& family = families_[name];
        family.name = name;
        family.help = help;
        family.type = prometheus::MetricType::Gauge;
        prometheus::ClientMetric metric;
        for (auto& [label, text] : labels) metric.label.push_back({std::move(label), std::move(text)});
        metric.gauge.value = value;
        family.metric.push_back(std::move(metric));
    }
    std::string text() const {
        std::vector<prometheus::MetricFamily> all;
        for (auto const& [name, family] : families_) all.push_back(family);
        std::ostringstream out;
        prometheus::TextSerializer{}.Serialize(out, all);
        return out.str();
    }

  private:
    std::map<std::string, prometheus::MetricFamily> families_;
};

}  // namespace

std::string ledger_metrics(std::string const& database, double read_at, std::vector<RunSeen> const& runs,
                           std::size_t over_at_most) {
    Families all;
    all.add("weir_ledger_read_timestamp_seconds", "When the ledger was read", {{"database", database}}, read_at);
    for (auto const state : ledger_states)
        all.add("weir_ledger_runs", "Runs of the ledger", {{"database", database}, {"state", std::string{state}}},
                static_cast<double>(std::ranges::count(runs, state, &RunSeen::state)));

    std::map<std::string_view, RunSeen const*> newest;
    for (auto const& run : runs) newest[run.plan] = &run;
    std::vector<RunSeen const*> over;
    for (auto const& [plan, run] : newest)
        if (run->over) over.push_back(run);
    std::ranges::sort(over, std::greater<>{}, &RunSeen::last_entry);
    for (std::size_t i = over_at_most; i < over.size(); ++i) newest.erase(over[i]->plan);

    for (auto const& [plan, run] : newest) {
        Labels const of{{"database", database}, {"plan", run->plan}};
        auto with_state = of;
        with_state.emplace_back("state", run->state);
        all.add("weir_ledger_run_state", "1 for the state that the newest run of the plan is in", with_state, 1);
        all.add("weir_ledger_run_led", "1 while a weir works on the run", of, run->led ? 1 : 0);
        all.add("weir_ledger_run_began_timestamp_seconds", "When the run began", of, run->began);
        all.add("weir_ledger_run_last_entry_timestamp_seconds", "When the last entry was written", of, run->last_entry);
        if (!run->quarantine_ends) continue;
        all.add("weir_ledger_quarantine_ends_timestamp_seconds", "When what the run set aside may be dropped", of,
                *run->quarantine_ends);
        all.add("weir_ledger_quarantine_values_not_back", "Values that did not go back to what is set aside", of,
                static_cast<double>(run->values_not_back));
    }
    return all.text();
}

}  // namespace weir
