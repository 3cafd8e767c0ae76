#include "metrics/event_json.h"

#include <cmath>
#include <concepts>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <variant>

#include "metrics/text.h"
#include "plans/sql.h"

namespace weir {
namespace {

// How values are written.

std::string quoted(std::string_view text) {
    std::string out{"\""};
    for (std::size_t i = 0; i < text.size();) {
        auto const byte = static_cast<unsigned char>(text[i]);
        std::size_t const length = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        auto const character = text.substr(i, length);
        if (byte == '"' || byte == '\\') {
            (out += '\\') += text[i];
        } else if (byte < 0x20) {
            constexpr std::string_view hex = "0123456789abcdef";
            ((out += "\\u00") += hex[byte >> 4]) += hex[byte & 15];
        } else if (byte < 0x80) {
            out += text[i];
        } else if (character.size() == length && is_utf8(character)) {
            out += character;
        } else {
            out += "\xEF\xBF\xBD";
            ++i;
            continue;
        }
        i += length;
    }
    return out + '"';
}

std::string object_of(SignalState const& signal);

std::string value_of(std::string_view text) { return quoted(text); }
std::string value_of(std::integral auto value) {
    if constexpr (std::is_same_v<decltype(value), bool>) return value ? "true" : "false";
    return std::to_string(value);
}
std::string value_of(double value) { return std::isfinite(value) ? decimal(value, 3) : "null"; }
std::string value_of(Millis value) { return std::to_string(value.count()); }
std::string value_of(Instant value) { return quoted(iso(value, true)); }
template <class Word>
requires std::is_enum_v<Word> std::string value_of(Word word) { return quoted(name(word)); }
template <class Value>
std::string value_of(std::optional<Value> const& value) {
    return value ? value_of(*value) : "null";
}
template <class Value>
std::string array_of(std::vector<Value> const& values, std::string (*one)(Value const&)) {
    std::vector<std::string> items;
    for (auto const& value : values) items.push_back(one(value));
    return "[" + joined(items, ",") + "]";
}
std::string value_of(std::vector<std::string> const& texts) {
    return array_of<std::string>(texts, [](std::string const& text) { return quoted(text); });
}
std::string value_of(std::vector<SignalState> const& signals) { return array_of(signals, object_of); }

// How a row of the table is made.

enum class Present : std::uint8_t { always, on_a_terminal };

/// `get`: a member of the event, or a function of it and, where that matters, of who reads it.
template <class Get>
struct Field {
    std::string_view name;
    Get get;
    Present present{Present::always};
};
template <class Get>
constexpr Field<Get> f(std::string_view name, Get get, Present present = Present::always) {
    return {name, get, present};
}

template <class Object, class... Gets>
struct Fields {
    std::string_view name;
    std::tuple<Field<Gets>...> all;
};
template <class Object, class... Gets>
constexpr Fields<Object, Gets...> row(std::string_view name, Field<Gets>... fields) {
    return {name, {fields...}};
}

template <class Object, class... Gets>
void write(std::string& into, Fields<Object, Gets...> const& fields, Object const& object, Audience audience) {
    auto const one = [&](auto const& field) {
        if (field.present == Present::on_a_terminal && audience != Audience::terminal) return;
        if (!into.empty()) into += ',';
        into += quoted(field.name) + ':';
        if constexpr (std::is_invocable_v<decltype(field.get), Object const&, Audience>)
            into += value_of(field.get(object, audience));
        else
            into += value_of(std::invoke(field.get, object));
    };
    std::apply([&](auto const&... field) { (one(field), ...); }, fields.all);
}

// The table.

constexpr auto signal_fields = row<SignalState>(
    "", f("signal", &SignalState::signal), f("subject", &SignalState::subject), f("unit", &SignalState::unit),
    f("value", &SignalState::value),
    f("limit", [](SignalState const& e) { return e.limit > 0 ? std::optional{e.limit} : std::nullopt; }),
    f("load", &SignalState::load), f("age_ms", &SignalState::age), f("holds", &SignalState::holds),
    f("problem", &SignalState::problem));

/// In the order of Event::what.
constexpr std::tuple events{
    row<RunBegan>("run_began", f("plan", &RunBegan::plan), f("run", &RunBegan::run), f("resumed", &RunBegan::resumed),
                  f("steps", &RunBegan::steps)),
    row<PhaseBegan>("phase_began", f("phase", &PhaseBegan::phase)),
    row<StepBegan>("step_began", f("step", &StepBegan::step), f("title", &StepBegan::title),
                   f("phase", &StepBegan::phase)),
    row<StepDone>("step_done", f("step", &StepDone::step), f("title", &StepDone::title), f("phase", &StepDone::phase),
                  f("took_ms", &StepDone::took)),
    row<StepUndone>("step_undone", f("step", &StepUndone::step), f("title", &StepUndone::title),
                    f("took_ms", &StepUndone::took)),
    row<WorkKnown>("work_known", f("step", &WorkKnown::step), f("table", &WorkKnown::table),
                   f("pages", &WorkKnown::pages), f("pages_done", &WorkKnown::pages_done),
                   f("rows_estimate", &WorkKnown::rows_estimate), f("rows_done", &WorkKnown::rows_done),
                   f("proof", &WorkKnown::proof)),
    row<BatchDone>("batch_done", f("step", &BatchDone::step), f("table", &BatchDone::table),
                   f("pages", &BatchDone::pages), f("rows", &BatchDone::rows), f("took_ms", &BatchDone::took),
                   f("proof", &BatchDone::proof), f("hot", &BatchDone::hot)),
    row<BatchRetried>("batch_retried", f("step", &BatchRetried::step), f("table", &BatchRetried::table),
                      f("reason", &BatchRetried::reason)),
    row<WayChanged>("way_changed", f("step", &WayChanged::step), f("table", &WayChanged::table),
                    f("way", &WayChanged::way), f("reason", &WayChanged::reason)),
    row<WorkersChanged>("workers_changed", f("step", &WorkersChanged::step), f("workers", &WorkersChanged::workers),
                        f("reason", &WorkersChanged::reason)),
    row<Vacuumed>("vacuumed", f("step", &Vacuumed::step), f("table", &Vacuumed::table),
                  f("dead_rows", &Vacuumed::dead_rows), f("took_ms", &Vacuumed::took)),
    row<LockTried>("lock_tried", f("step", &LockTried::step), f("got", &LockTried::got),
                   f("waited_ms", &LockTried::waited),
                   f("blockers", [](LockTried const& e, Audience who) { return shown(e.blockers, e.seen, who); })),
    row<BlockerEnded>(
        "blocker_ended", f("step", &BlockerEnded::step),
        f("how", [](BlockerEnded const& e) { return std::string_view{e.session ? "terminated" : "canceled"}; }),
        f("blocker", [](BlockerEnded const& e, Audience who) { return shown(e.blocker, e.seen, who); })),
    row<WaitsFor>("waits_for", f("step", &WaitsFor::step),
                  f("blockers", [](WaitsFor const& e, Audience who) { return shown(e.blockers, e.seen, who); })),
    row<PaceChanged>("pace_changed", f("pace", &PaceChanged::pace), f("reasons", &PaceChanged::reasons)),
    row<ReplicaLag>("replica_lag", f("replica", &ReplicaLag::replica), f("lag_ms", &ReplicaLag::lag),
                    f("bytes", &ReplicaLag::bytes)),
    row<SignalsJudged>("signals_judged", f("signals", &SignalsJudged::signals)),
    row<ForecastMade>("forecast_made", f("step", &ForecastMade::step), f("low", &ForecastMade::low),
                      f("high", &ForecastMade::high), f("openings_low", &ForecastMade::openings_low),
                      f("openings_high", &ForecastMade::openings_high), f("closes", &ForecastMade::closes),
                      f("text", &ForecastMade::text)),
    row<Paused>("paused", f("user", &Paused::user)),
    row<Resumed>("resumed", f("user", &Resumed::user)),
    row<SettingChanged>("setting_changed", f("key", &SettingChanged::key), f("value", &SettingChanged::value),
                        f("user", &SettingChanged::user)),
    row<GateOpened>("gate_opened", f("gate", &GateOpened::gate), f("notes", &GateOpened::notes)),
    row<GateVoted>("gate_voted", f("gate", &GateVoted::gate), f("user", &GateVoted::user), f("have", &GateVoted::have),
                   f("needed", &GateVoted::needed)),
    row<GateApproved>("gate_approved", f("gate", &GateApproved::gate), f("user", &GateApproved::user)),
    row<ProofDone>("proof_done", f("step", &ProofDone::step), f("table", &ProofDone::table),
                   f("rows_wrong", &ProofDone::rows_wrong),
                   f("keys", [](ProofDone const& e, Audience who) { return shown(e.keys, who); })),
    row<DumpGrew>("dump_grew", f("step", &DumpGrew::step), f("bytes", &DumpGrew::bytes)),
    row<BackedUp>("backed_up", f("step", &BackedUp::step), f("file", &BackedUp::file), f("bytes", &BackedUp::bytes),
                  f("sha256", &BackedUp::sha256)),
    row<TableSized>("table_sized", f("table", &TableSized::table), f("bytes", &TableSized::bytes),
                    f("bytes_before", &TableSized::bytes_before), f("dead_rows", &TableSized::dead_rows)),
    row<OrderTaken>("order_taken", f("order", &OrderTaken::order), f("argument", &OrderTaken::argument),
                    f("user", &OrderTaken::user)),
    row<Serving>("serving", f("address", &Serving::address)),
    row<Warned>("warned", f("message", &Warned::message), f("hint", &Warned::hint),
                f(
                    "more", [](Warned const& e) { return lines_of(e.more.reveal()); }, Present::on_a_terminal)),
    row<ConnectionLost>("connection_lost", f("message", &ConnectionLost::message)),
    row<Stopped>("stopped", f("code", [](Stopped const& e) { return e.why.code; }),
                 f("message", [](Stopped const& e) { return std::string_view{e.why.message}; }),
                 f("hint", [](Stopped const& e) { return std::string_view{e.why.hint}; }),
                 f("exit", [](Stopped const& e) { return exit_code(e.why.code); }),
                 f(
                     "more", [](Stopped const& e) { return lines_of(e.why.more.reveal()); }, Present::on_a_terminal)),
    row<RunDone>("run_done", f("state", &RunDone::state), f("took_ms", &RunDone::took), f("until", &RunDone::until)),
};

static_assert(std::tuple_size_v<decltype(events)> == std::variant_size_v<decltype(Event::what)>);

template <class What, class... All>
constexpr std::size_t index_in(std::variant<All...> const* /*of*/) {
    std::size_t index = 0;
    static_cast<void>(((std::is_same_v<What, All> || (++index, false)) || ...));
    return index;
}

std::string object_of(SignalState const& signal) {
    std::string text;
    write(text, signal_fields, signal, Audience::anybody);
    return "{" + text + "}";
}

}  // namespace

std::vector<std::string> shown(std::vector<std::string> const& blockers, std::vector<Sealed> const& seen,
                               Audience audience) {
    if (audience != Audience::terminal || seen.size() != blockers.size()) return blockers;
    std::vector<std::string> texts;
    for (auto const& one : seen) texts.push_back(one.reveal());
    return texts;
}

std::string shown(std::string const& blocker, Sealed const& seen, Audience audience) {
    return audience == Audience::terminal && !seen.empty() ? seen.reveal() : blocker;
}

std::vector<std::string> shown(std::vector<Sealed> const& keys, Audience audience) {
    std::vector<std::string> texts;
    if (audience == Audience::terminal)
        for (auto const& key : keys) texts.push_back(key.reveal());
    return texts;
}

std::string to_json(Event const& event, Audience audience) {
    return std::visit(
        [&]<class What>(What const& what) {
            constexpr auto& fields = std::get<index_in<What>(static_cast<decltype(Event::what)*>(nullptr))>(events);
            auto text = "\"at\":" + value_of(event.at) + ",\"event\":" + quoted(fields.name);
            write(text, fields, what, audience);
            return "{" + text + "}";
        },
        event.what);
}

std::vector<EventFields> event_fields() {
    std::vector<EventFields> all;
    auto const add = [&](auto const& of, auto const& self) -> void {
        auto const one = [&](auto const& field) {
            if (field.present != Present::always) return;
            all.back().fields.push_back(field.name);
            if constexpr (std::is_same_v<decltype(field.get), std::vector<SignalState> SignalsJudged::*>)
                self(signal_fields, self);
        };
        std::apply([&](auto const&... field) { (one(field), ...); }, of.all);
    };
    auto const event = [&](auto const& of) {
        all.push_back({of.name, {}});
        add(of, add);
    };
    std::apply([&](auto const&... of) { (event(of), ...); }, events);
    return all;
}

}  // namespace weir
