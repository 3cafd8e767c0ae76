#include "orchestrator/machine/orders.h"

#include <utility>
#include <variant>

#include "plans/reader.h"

namespace weir {
namespace {

void say(Stamp at, Commands& out, decltype(Event::what) what) {
    out.emplace_back(Announce{{at.wall, std::move(what)}});
}

void note(Entries& entries, EntryKind kind, EntryDetail detail, Ordered const& order) {
    detail.user = order.user;
    detail.order = order.order;
    entries.note(kind, std::move(detail));
}

}  // namespace

Orders::Effect Orders::take(Ordered const& order, RunRecord const& record, bool old_returned, Settings& settings,
                            Stamp at, Entries& entries, Commands& out) {
    switch (order.word) {
        case OrderWord::approve:
            return Effect::approve;
        case OrderWord::abort:
            return undo(order, record, old_returned, at, out);
        case OrderWord::pause:
        case OrderWord::resume:
        case OrderWord::set:
            break;
    }
    // Of what was given since this one began to work, a lower number may be seen later; each is given once.
    if (order.order <= obeyed_) return Effect::nothing;
    if (order.word == OrderWord::pause) return pause(order, record.aborting, at, entries, out);
    if (order.word == OrderWord::resume) return resume(order, at, entries, out);
    return set(order, settings, at, entries, out);
}

Orders::Effect Orders::pause(Ordered const& order, bool undoing, Stamp at, Entries& entries, Commands& out) {
    if (!paused_by_.empty()) return Effect::nothing;
    if (undoing || asked_ == Asked::abort) {
        say(at, out,
            Warned{"the order to pause by " + order.user + " is not obeyed: the run is being undone",
                   "stop the weir that works on it, if it must stop"});
        return Effect::nothing;
    }
    paused_by_ = order.user;
    say(at, out, OrderTaken{"pause", "", order.user});
    tell_pause(at, out);
    note(entries, EntryKind::paused, {}, order);
    return Effect::paused;
}

void Orders::tell_pause(Stamp at, Commands& out) {
    if (!std::exchange(pause_told_, true)) say(at, out, Paused{paused_by_});
}

Orders::Effect Orders::resume(Ordered const& order, Stamp at, Entries& entries, Commands& out) {
    if (paused_by_.empty()) return Effect::nothing;
    paused_by_.clear();
    pause_told_ = false;
    say(at, out, OrderTaken{"resume", "", order.user});
    say(at, out, Resumed{order.user});
    note(entries, EntryKind::resumed, {}, order);
    return Effect::resumed;
}

Orders::Effect Orders::set(Ordered const& order, Settings& settings, Stamp at, Entries& entries, Commands& out) {
    auto const space = order.argument.find(' ');
    EntryDetail detail;
    detail.key = order.argument.substr(0, space);
    if (space != std::string::npos) detail.value = order.argument.substr(space + 1);
    auto changed = with_setting(settings, detail.key, detail.value);
    if (auto const* problems = std::get_if<Problems>(&changed)) {
        say(at, out,
            Warned{"the order of " + order.user + " to set " + order.argument +
                       " is not obeyed: " + problems->front().message,
                   problems->front().hint});
        return Effect::nothing;
    }
    settings = std::get<Settings>(std::move(changed));
    say(at, out, OrderTaken{"set", order.argument, order.user});
    say(at, out, SettingChanged{detail.key, detail.value, order.user});
    note(entries, EntryKind::set, detail, order);
    return Effect::set;
}

Orders::Effect Orders::undo(Ordered const& order, RunRecord const& record, bool old_returned, Stamp at, Commands& out) {
    newest_abort_ = std::max(newest_abort_, order.order);
    if (record.refused_abort && order.order <= *record.refused_abort) return Effect::nothing;
    // Since the undo waits until nothing uses the new shape, this says that nothing does.
    bool const returns = record.aborting && record.reopened && order.order > record.last_abort && !old_returned;
    if (!returns && (record.aborting || asked_ != Asked::nothing)) return Effect::nothing;
    user_ = order.user;
    abort_ = order.order;
    say(at, out, OrderTaken{"abort", "", order.user});
    if (returns) return Effect::old_returns;
    asked_ = Asked::abort;
    return Effect::abort;
}

}  // namespace weir
