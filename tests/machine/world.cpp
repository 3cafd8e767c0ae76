#include "world.h"

#include <stdexcept>

namespace weir {
namespace {

bool starts_with(std::string_view text, std::string_view what) { return text.substr(0, what.size()) == what; }

/// What follows `mark`, or nothing.
std::optional<std::string_view> after(std::string_view text, std::string_view mark) {
    auto const at = text.find(mark);
    if (at == std::string_view::npos) return std::nullopt;
    return text.substr(at + mark.size());
}

std::int64_t number(std::string_view text) { return std::stoll(std::string{text.substr(0, 20)}); }

/// The literal that begins after `mark`: `p.step = 'fill.1'`. The tests' names hold no quotes.
std::string quoted(std::string_view text, std::string_view mark) {
    auto const rest = after(text, mark);
    if (!rest || rest->empty() || (*rest)[0] != '\'') throw std::logic_error{"no literal after " + std::string{mark}};
    return std::string{rest->substr(1, rest->find('\'', 1) - 1)};
}

std::int64_t needed(std::string_view text, std::string_view mark) {
    auto const rest = after(text, mark);
    if (!rest) throw std::logic_error{"no number after " + std::string{mark} + " in " + std::string{text}};
    return number(*rest);
}

void progress_action(std::string_view text, Tx::Action& action, std::int64_t run) {
    action.step = quoted(text, "p.step = ");
    action.stripe = needed(text, "p.from_page = ");
    if (after(text, "next_page = ")) action.next = needed(text, "next_page = ");
    if (needed(text, "p.run = ") != run) throw std::logic_error{"progress of another run"};
}

Tx::Action rows_action(Tx::Verb verb, std::string_view text, std::int64_t run) {
    Tx::Action action;
    action.verb = verb;
    action.from = needed(text, "ctid >= '(");
    action.to = needed(text, "ctid < '(");
    if (after(text, "UPDATE weir.progress")) progress_action(text, action, run);
    return action;
}

void read(std::string_view sent, Tx& tx, std::int64_t run) {
    using Verb = Tx::Verb;
    std::string const plainly = plain(std::string{sent});
    std::string_view const text{plainly};
    auto const simple = [&](Verb verb, std::string_view mark) {
        Tx::Action action;
        action.verb = verb;
        action.step = quoted(text, mark);
        tx.actions.push_back(std::move(action));
    };
    if (text == "SET LOCAL synchronous_commit = on") tx.synchronous = true;
    if (starts_with(text, "SET LOCAL ") || starts_with(text, "LOCK TABLE ")) return;
    if (starts_with(text, "SELECT weir.check_kinds(") || starts_with(text, "SELECT weir.check_rules(")) return;
    if (starts_with(text, "SELECT pg_catalog.set_config('weir.changed'")) return;
    if (starts_with(text, "SELECT pg_catalog.set_config('weir.hot'")) return;
    if (starts_with(text, "SELECT pg_catalog.set_config('weir.began'")) return;
    if (starts_with(text, "SELECT pg_catalog.set_config('lock_timeout'") || text == mark().text()) return;
    if (starts_with(text, "SELECT ") && text.ends_with("::pg_catalog.regclass")) return;
    if (starts_with(text, "DROP SEQUENCE IF EXISTS weir_sync.")) return;
    if (starts_with(text, "SELECT weir.fence(")) {
        tx.epoch = needed(text, "fence(");
    } else if (starts_with(text, "INSERT INTO weir.entries ")) {
        auto const values = *after(text, "VALUES (");
        Tx::Action action;
        action.verb = Verb::entry;
        if (number(values) != run) throw std::logic_error{"entry of another run"};
        action.number = needed(values, ", ");
        auto const kind = values.find('\'');
        action.kind = quoted(values.substr(kind - 1), " ");
        action.step = quoted(values.substr(values.find('\'', kind + 1)), "', ");
        if (after(values, "'order', ")) action.order = quoted(values, "'order', ");
        if (after(values, "'user', ")) action.user = quoted(values, "'user', ");
        if (after(values, "'key', ")) action.key = quoted(values, "'key', ");
        if (after(values, "'accept_loss', ")) action.value = quoted(values, "'accept_loss', ");
        if (after(values, "'value', ")) action.value = quoted(values, "'value', ");
        if (after(values, "'file', ")) action.dump = quoted(values, "'file', ");
        if (after(values, "'bytes', ")) action.bytes = quoted(values, "'bytes', ");
        tx.actions.push_back(std::move(action));
    } else if (starts_with(text, "SELECT forward(")) {
        simple(Verb::forward, "forward(");
    } else if (starts_with(text, "SELECT undo(")) {
        simple(Verb::undo, "undo(");
    } else if (starts_with(text, "SELECT repair(")) {
        simple(Verb::repair, "repair(");
    } else if (starts_with(text, "SELECT probe(")) {
        simple(Verb::probe, "probe(");
    } else if (starts_with(text, "SELECT gone(")) {
        simple(Verb::gone, "gone(");
    } else if (starts_with(text, "UPDATE weir.progress SET next_page = from_page")) {
        simple(Verb::reset, "step = ");
        if (!after(text, "misses > 0")) tx.actions.back().number = 1;  // whatever it found
    } else if (starts_with(text, "DELETE FROM weir.progress")) {
        simple(Verb::prune, "step = ");
        tx.actions.back().number = after(text, "p.shape = s.shape") ? 1 : 0;
    } else if (starts_with(text, "INSERT INTO weir.progress")) {
        simple(Verb::stripes, "p.step = ");
    } else if (starts_with(text, "SELECT p.leaf")) {
        simple(Verb::list, "p.step = ");
    } else if (starts_with(text, "WITH u AS (UPDATE ONLY") && after(text, "FROM pg_catalog.generate_series(")) {
        Tx::Action action;
        action.verb = Verb::sweep;
        action.from = needed(text, "generate_series(");
        action.to = needed(*after(text, "generate_series("), ", ") + 1;
        action.skips = after(text, "SKIP LOCKED").has_value();
        tx.actions.push_back(std::move(action));
    } else if (starts_with(text, "UPDATE weir.progress p SET")) {
        Tx::Action action;
        action.verb = Verb::moved;
        progress_action(text, action, run);
        action.tells_horizon = after(text, "backend_xmin").has_value();
        tx.actions.push_back(std::move(action));
    } else if (starts_with(text, "SELECT EXISTS (SELECT FROM weir.shapes(")) {
        simple(Verb::leaves, "p.step = ");
        tx.actions.back().number = after(text, "p.shape = s.shape") ? 1 : 0;
    } else if (starts_with(text, "SELECT pg_catalog.clock_timestamp() >= (SELECT min(e.at)")) {
        tx.actions.push_back({.verb = Verb::condition});
    } else if (starts_with(text, "SELECT g.about, g.message")) {
        tx.looks_around = true;
    } else if (starts_with(text, "SELECT pg_catalog.clock_timestamp() >= q.until")) {
        tx.actions.push_back({.verb = Verb::end});
    } else if (starts_with(text, "SELECT (SELECT coalesce(pg_catalog.sum(s.last_value)")) {
        tx.actions.push_back({.verb = Verb::lost});
    } else if (starts_with(text, "DO ") && after(text, "\"weir lost\"")) {
        tx.actions.push_back({.verb = Verb::still, .number = needed(text, "IF \"weir lost\" > ")});
    } else if (starts_with(text, "SELECT c.oid, n.nspname, c.relname")) {
        tx.actions.push_back({.verb = Verb::tables});
    } else if (starts_with(text, "SELECT (SELECT least(")) {
        tx.actions.push_back({.verb = Verb::horizon});
    } else if (tx.synchronous && starts_with(text, "SELECT pg_catalog.pg_logical_emit_message(")) {
        // It confirms an entry; what measures the commits of others while a fill works is not synchronous by order.
    } else if (starts_with(text, "SELECT pg_catalog.pg_logical_emit_message(") ||
               starts_with(text, "VACUUM (TRUNCATE false)")) {
        tx.actions.push_back({.verb = Verb::aside});
    } else if (starts_with(text, "WITH u AS (UPDATE ONLY") || starts_with(text, "WITH u AS (DELETE FROM ONLY")) {
        tx.actions.push_back(rows_action(Verb::update, text, run));
    } else if (starts_with(text, "WITH l AS MATERIALIZED")) {
        tx.actions.push_back(rows_action(Verb::update, text, run));
        tx.actions.back().skips = true;
    } else if (starts_with(text, "WITH n AS MATERIALIZED")) {
        tx.actions.push_back(rows_action(Verb::count, text, run));
    } else if (starts_with(text, "WITH k AS (SELECT")) {
        tx.actions.push_back(rows_action(Verb::keys, text, run));
        tx.actions.back().number = needed(text, "p.misses + ");
    } else if (starts_with(text, "SELECT weir.same_file(")) {
        Tx::Action action;
        action.verb = Verb::file;
        action.number = needed(*after(text, "same_file("), ", ");
        tx.actions.push_back(std::move(action));
    } else if (starts_with(text, "SELECT weir.check_sync(")) {
        tx.actions.push_back({Verb::guard, {}, {}, 0, 0, 0, 0, 0, false});
    } else if (starts_with(text, "SELECT pg_catalog.pg_try_advisory_lock_shared(")) {
        // The answer is the last statement's.
    } else if (starts_with(text, "SELECT EXISTS (SELECT FROM pg_catalog.pg_locks l")) {
        tx.actions.push_back({Verb::hand, {}, {}, 0, 0, 0, 0, 0, false});
    } else if (starts_with(text, "WITH RECURSIVE wanted") || starts_with(text, "WITH locks AS MATERIALIZED")) {
        tx.looks = true;
    } else if (starts_with(text, "SELECT pg_catalog.pg_cancel_backend(") ||
               starts_with(text, "SELECT pg_catalog.pg_terminate_backend(")) {
        tx.ends = true;
    } else if (starts_with(text, "SELECT weir.note_shape(")) {
        simple(Verb::note, "ARRAY[");
    } else if (starts_with(text, "SELECT weir.check_shape(")) {
        Tx::Action action;
        action.verb = Verb::shape;
        auto const values = *after(text, "check_shape(");
        action.step = quoted(values.substr(values.find("', ") + 3), ", ");
        tx.actions.push_back(std::move(action));
    } else {
        throw std::logic_error{"a statement that the world does not know: " + std::string{text}};
    }
}

std::vector<std::string> texts(Batch const& batch) {
    std::vector<std::string> all;
    for (auto const& statement : batch) all.push_back(statement.text());
    return all;
}

/// What of the program begins at this statement; two steps may be the same to the letter (a VACUUM twice).
Script::Known const* known(std::vector<std::string> const& batch, std::size_t at, Tx const& tx, World const& world) {
    if (!world.script) return nullptr;
    auto const found = world.script->by_first.find(batch[at]);
    if (found == world.script->by_first.end()) return nullptr;
    for (auto const& one : found->second) {
        bool same = one.standalone == tx.standalone && at + one.texts.size() <= batch.size();
        for (std::size_t i = 0; same && i < one.texts.size(); ++i) same = batch[at + i] == one.texts[i];
        if (!same) continue;
        auto const entry = std::find_if(tx.actions.begin(), tx.actions.end(),
                                        [](Tx::Action const& a) { return a.verb == Tx::Verb::entry; });
        if (entry != tx.actions.end()) {
            auto const* kind = one.verb == Tx::Verb::undo ? "step_undone" : "step_done";
            if (entry->step != one.step || entry->kind != kind) continue;
        } else if (!world.has("step_begun", one.step) ||
                   world.has(one.verb == Tx::Verb::undo || one.verb == Tx::Verb::gone ? "step_undone" : "step_done",
                             one.step)) {
            continue;
        }
        return &one;
    }
    return nullptr;
}

}  // namespace

Script::Script(Program const& program) {
    std::map<std::string, std::size_t> numbers;
    for (auto const& step : program.steps) {
        auto const add = [&](Tx::Verb verb, Batch const& batch, bool alone) {
            if (!batch.empty()) by_first[batch[0].text()].push_back({verb, step.id, texts(batch), alone});
        };
        add(Tx::Verb::forward, step.forward.statements, step.forward.standalone);
        add(Tx::Verb::undo, step.undo.statements, step.undo.standalone);
        add(Tx::Verb::repair, step.forward.repair, true);
        add(Tx::Verb::probe, step.forward.probe, false);
        add(Tx::Verb::gone, step.undo.probe, false);
        if (is_transactional(step) && step.forward.statements.empty()) silent.insert(step.id);
        for (auto const& statement : step.undo.guard) guards.insert(statement.text());
        if (step.undo.proves)
            writes.push_back({" AS " + sql("{0}", step.undo.proves->table.name).text(), step.undo.proves->todo.text(),
                              step.noted_for});
        if (!step.rows) continue;
        for (auto const& statement : step.rows->guard) guards.insert(statement.text());
        auto const alias = " AS " + sql("{0}", step.rows->table.name).text();
        writes.push_back({alias, step.rows->todo.text(), step.id});
        writes.push_back({alias, step.rows->fill_after_gate.text(), step.id});
        part[step.id] =
            numbers.try_emplace(step.rows->table.text() + " " + step.rows->todo.text(), numbers.size()).first->second;
    }
    parts = std::max<std::size_t>(numbers.size(), 1);
}

Tx parse(Execute const& command, World const& world) {
    Tx tx;
    tx.standalone = command.transaction == Transaction::standalone;
    auto batch = texts(command.batch);
    // The bound is renewed between the statements of a step.
    std::erase_if(
        batch, [](auto const& text) { return starts_with(text, "SELECT pg_catalog.set_config('statement_timeout'"); });
    for (std::size_t i = 0; i < batch.size(); ++i) {
        auto const& text = batch[i];
        if (auto const* one = known(batch, i, tx, world)) {
            tx.actions.push_back({.verb = one->verb, .step = one->step});
            i += one->texts.size() - 1;
            continue;
        }
        if (world.script && world.script->guards.contains(text)) {
            tx.actions.push_back({.verb = Tx::Verb::guard});
            continue;
        }
        read(text, tx, world.run);
        if (after(text, "ok_after_gate")) tx.after_gate = true;
        if (!world.script || tx.actions.empty() || tx.actions.back().verb != Tx::Verb::entry) continue;
        auto const entry = tx.actions.back();
        if (entry.kind == "step_done" && world.script->silent.contains(entry.step))
            tx.actions.push_back({.verb = Tx::Verb::forward, .step = entry.step});
    }
    // What a proof fills again has no progress; it is known by its rows.
    for (auto& action : tx.actions)
        if (world.script && action.step.empty() && action.verb == Tx::Verb::update)
            for (auto const& [alias, rows, step] : world.script->writes)
                if (std::any_of(batch.begin(), batch.end(), [&](auto const& text) {
                        return after(text, "weir.rows") && after(text, alias) && after(text, rows);
                    }))
                    action.step = step;
    // The progress of a fill stands in a statement of its own, and says whose it is.
    for (auto& action : tx.actions)
        if (action.verb == Tx::Verb::update || action.verb == Tx::Verb::sweep)
            for (auto const& other : tx.actions)
                if (other.verb == Tx::Verb::moved) action.step = other.step;
    return tx;
}

// ---- the world --------------------------------------------------------------------------------------------------

std::int64_t World::pages() const { return static_cast<std::int64_t>(right.size() / (script ? script->parts : 1)); }

std::int64_t World::offset(std::string const& step) const {
    if (!script) return 0;
    // Progress of its own: of a second pass, or of a proof that is repeated.
    auto const found = script->part.find(step.substr(0, step.find('.', step.find('.') + 1)));
    if (found == script->part.end()) throw std::logic_error{"no rows are known of step " + step};
    return static_cast<std::int64_t>(found->second) * pages();
}

bool World::all_right(std::string const& step) const {
    auto const first = right.begin() + offset(step);
    return std::all_of(first, first + pages(), [](bool r) { return r; });
}

bool World::is_what_was_proven(std::string const& step) const {
    auto const noted = shapes.find(step);
    auto const stripes = progress.find(step);
    return noted != shapes.end() && noted->second == shape && stripes != progress.end() &&
           std::all_of(stripes->second.begin(), stripes->second.end(),
                       [](Stripe const& s) { return s.next == s.to && s.misses == 0; });
}

void World::attach(std::int64_t page) {
    ++shape.leaves;
    for (std::size_t part = 0; part < (script ? script->parts : 1); ++part)
        right[part * static_cast<std::size_t>(pages()) + static_cast<std::size_t>(page)] = false;
}

World::Stripe* World::stripe(std::string const& step, std::int64_t from) {
    for (auto& s : progress[step])
        if (s.from == from) return &s;
    return nullptr;
}

void World::apply_forward(std::string const& step) {
    if (++applied[step] > 1 && !rules.repeatable.contains(step)) object(step + " was applied twice");
    if (damaged.contains(step)) object(step + " was done over its own damage");
    if (undoes()) object(step + " was applied after the abort");
    for (auto const& other : rules.order) {
        if (other == step) break;
        if (!is_done(other)) object(step + " was applied before " + other);
    }
    destroy(step);
    auto const stands = rules.stands_on.find(step);
    if (stands != rules.stands_on.end() && !all_right(stands->second)) object(step + " was applied with wrong rows");
    if (!rules.gate_guarded.contains(step)) return;
    if (rules.gate && !has("gate_approved")) object(step + " was applied before the gate was approved");
    // A proof may stand after it: contract deletes rows, too.
    auto const here = std::find(rules.order.begin(), rules.order.end(), step);
    for (auto const& proof : rules.proofs) {
        if (std::find(rules.order.begin(), here, proof) == here) continue;
        if (!has("step_done", proof)) object(step + " was applied before " + proof + " was complete");
        // What came with a leaf that somebody attached is wrong by nobody's fault until something stands on it.
        if (shape.leaves == 0 && !all_right(proof)) object(step + " was applied with wrong rows");
    }
}

/// What its dump is for must be in the ledger and in its file by then.
void World::destroy(std::string const& step) {
    auto const saved = rules.saved_by.find(step);
    if (saved == rules.saved_by.end()) return;
    auto const made = std::find_if(entries.rbegin(), entries.rend(),
                                   [&](Entry const& e) { return e.kind == "backed_up" && e.step == saved->second; });
    if (made == entries.rend())
        object(step + " destroys and nothing is backed up");
    else if (auto const dump = dumps.find(made->dump);
             dump == dumps.end() || std::to_string(dump->second) != made->bytes)
        object(step + " destroys and its dump is gone");
}

void World::apply_undo(std::string const& step) {
    bool const there = count(applied, step) > count(undone, step);
    bool const in_part = damaged.erase(step) > 0 || (rules.alone.contains(step) && has("step_begun", step));
    if (!there && !in_part) object(step + " was undone and is not there");
    if (!there && count(undone, step) > 0) object(step + " was undone twice");
    if (there) ++undone[step];
    if (!undoes()) object(step + " was undone without an abort");
    for (auto other = rules.order.rbegin(); other != rules.order.rend() && *other != step; ++other)
        if (count(applied, *other) > count(undone, *other) && has("step_done", *other) &&
            rules.undoable.contains(*other))
            object(step + " was undone before " + *other);
    if (auto const needed = rules.way_back.find(step); needed != rules.way_back.end())
        for (auto const& other : needed->second)
            if (count(undone, other) == 0) object(step + " was undone without " + other);
    if ((has("rolling_back") ? rules.gate : has("gate_opened")) && !rules.gate_guarded.contains(step) &&
        !has("reopened"))
        object(step + " was undone while the new application may write");
    std::int64_t accepted = 0;
    for (auto const& e : entries)
        if ((e.kind == "aborting" || e.kind == "rolling_back") && !e.value.empty()) accepted = std::stoll(e.value);
    if (rules.losing.contains(step) && (has("gate_opened") || has("rolling_back")) &&
        static_cast<std::int64_t>(own.size()) > accepted)
        object(step + " was undone with what nobody has given up");
}

void World::apply_entry(Tx::Action const& action) {
    if (has("finished") || has("undone") || has("rolled_back")) object("an entry after the end: " + action.kind);
    if (action.kind == "step_done") {
        if (has("step_done", action.step)) object("two entries say that " + action.step + " is done");
        auto const stripes = progress.find(action.step);
        if (stripes != progress.end())
            for (auto const& s : stripes->second) {
                if (s.next < s.to) object(action.step + " is called done with pages left");
                if (s.misses > 0) object(action.step + " is called done with misses");
            }
        if (std::find(rules.proofs.begin(), rules.proofs.end(), action.step) != rules.proofs.end()) {
            if (stripes == progress.end() && !right.empty()) object(action.step + " proved nothing");
            if (shape.leaves == 0 && !all_right(action.step)) object(action.step + " is called proven with wrong rows");
        }
    }
    if (!action.order.empty())
        for (auto const& e : entries)
            if (e.order == action.order) object("order " + action.order + " was obeyed twice");
    entries.push_back({action.number, action.kind, action.step, action.order, action.key, action.value, action.user,
                       action.dump, action.bytes});
}

void World::list(std::string const& step, Outcome& outcome) const {
    outcome.rows.clear();
    auto const found = progress.find(step);
    if (found == progress.end()) return;
    for (auto const& s : found->second)
        outcome.rows.push_back(row({"16384", "public", "users", std::to_string(file), std::to_string(s.from),
                                    std::to_string(s.to), std::to_string(s.next), "0", "0", std::to_string(rows_a_page),
                                    "on", partitioned ? "16000" : "16384", changed}));
}

Outcome World::perform(Tx const& tx) {
    using Verb = Tx::Verb;
    // What raises stands before what writes, so that nothing needs to be rolled back.
    if (tx.epoch && *tx.epoch != epoch) return failure(Fate::fenced, "WE001");
    if (!tx.epoch && !tx.standalone)  // reading needs none
        for (auto const& action : tx.actions)
            if (action.verb != Verb::probe && action.verb != Verb::gone && action.verb != Verb::horizon &&
                action.verb != Verb::aside && action.verb != Verb::condition && action.verb != Verb::guard &&
                action.verb != Verb::end && action.verb != Verb::lost && action.verb != Verb::tables)
                object("a transaction without a fence");
    for (auto const& action : tx.actions) {
        if (action.verb == Verb::guard && triggers_touched) return failure(Fate::refused, "WE003");
        if (action.verb == Verb::still && static_cast<std::int64_t>(own.size()) > action.number)
            return failure(Fate::refused, "WE004");
        if (action.verb == Verb::file && action.number != file) return failure(Fate::refused, "WE002");
        if (action.verb == Verb::shape && !is_what_was_proven(action.step)) return failure(Fate::refused, "WE007");
        if (action.verb == Verb::entry) {
            if (action.number != entries.back().seq + 1) {
                object("seq " + std::to_string(action.number) + " after " + std::to_string(entries.back().seq));
                return failure(Fate::refused, "23505");
            }
        }
    }
    Outcome outcome;
    Tx::Action const* update = nullptr;
    std::int64_t written = 0;
    if (tx.looks) outcome.rows = in_the_way;
    if (tx.looks_around) outcome.rows = around;
    if (tx.ends) {
        if (!in_the_way.empty()) outcome.rows = {row({"t"})};
        in_the_way.clear();
    }
    if (tx.synchronous && alone > 0) {
        --alone;
        outcome.unreplicated = true;
    }
    for (auto const& action : tx.actions) {
        switch (action.verb) {
            case Verb::guard:
            case Verb::still:
            case Verb::file:
            case Verb::shape:
                break;
            case Verb::note:
                // What goes aside was proven to stand in the column that stays.
                for (std::int64_t page = 0; page < pages(); ++page)
                    right[static_cast<std::size_t>(offset(action.step) + page)] = true;
                for (auto const& step : {action.step, action.step + ".back"}) {
                    progress[step] = {{0, pages(), pages(), 0}};
                    shapes[step] = shape;
                    files[step] = file;
                }
                break;
            case Verb::hand:
                outcome.rows = {row({hands_refused > 0 ? "f" : "t", "77"})};
                if (hands_refused > 0) --hands_refused;
                break;
            case Verb::end:
                outcome.rows = {row({quarantine_over ? "t" : "f", "then", "1764000000000"})};
                break;
            case Verb::tables:
                outcome.rows = {row({"16390", "public", "users_p1", "t"})};
                if (table_gone) break;
                for (auto const& [schema, table] : rules.dumped)
                    outcome.rows.push_back(row({"16384", schema, table, "f"}));
                break;
            case Verb::lost:
                outcome.rows = {row({std::to_string(lost)})};
                break;
            case Verb::condition:
                outcome.rows = {row({condition ? "t" : "f"})};
                break;
            case Verb::entry:
                apply_entry(action);
                break;
            case Verb::forward:
                apply_forward(action.step);
                break;
            case Verb::undo:
                apply_undo(action.step);
                break;
            case Verb::repair:
                if (damaged.erase(action.step) == 0) object(action.step + " was repaired and not damaged");
                break;
            case Verb::gone:
                outcome.rows = {
                    row({damaged.contains(action.step) || count(applied, action.step) > count(undone, action.step)
                             ? "absent"
                             : "done"})};
                break;
            case Verb::probe:
                outcome.rows = {row({damaged.contains(action.step)     ? "damaged"
                                     : count(applied, action.step) > 0 ? "done"
                                                                       : "absent"})};
                break;
            case Verb::reset:
                for (auto& s : progress[action.step])
                    if (s.misses > 0 || action.number == 1) {
                        s.next = s.from;
                        s.misses = 0;
                    }
                break;
            case Verb::prune:
                if (auto const noted = files.find(action.step); noted != files.end() && noted->second != file)
                    progress[action.step].clear();
                files[action.step] = file;
                changed.clear();
                if (auto const noted = shapes.find(action.step); noted != shapes.end() && action.number == 1) {
                    if (noted->second != shape) progress[action.step].clear();
                    if (noted->second.root != shape.root) changed = "trigger norm";
                }
                shapes[action.step] = shape;
                break;
            case Verb::stripes: {
                auto& stripes = progress[action.step];
                for (std::int64_t at = stripes.empty() ? 0 : stripes.back().to; at < pages(); at += width)
                    stripes.push_back({at, std::min(at + width, pages()), at, 0});
                break;
            }
            case Verb::list:
                list(action.step, outcome);
                break;
            case Verb::horizon:
                outcome.rows = {row({std::to_string(horizon_now())})};
                break;
            case Verb::leaves: {
                auto const noted = files.find(action.step);
                bool const another = action.number == 1 && shapes[action.step] != shape;
                outcome.rows = {row({another || noted == files.end() || noted->second != file ? "t" : "f"})};
                break;
            }
            case Verb::aside:
                break;
            case Verb::sweep: {
                // One row stands for a page: a sweep makes every second one right.
                bool take = true;
                for (auto page = action.from; page < action.to; ++page) {
                    auto const at = static_cast<std::size_t>(offset(action.step) + page);
                    if (action.skips || hopeless.contains(page) || right.at(at)) continue;
                    if (take) {
                        right[at] = true;
                        ++written;
                    }
                    take = !take;
                }
                if (written > 0 && undoes()) object("rows were swept after the abort");
                update = &action;
                break;
            }
            case Verb::moved: {
                if (update == nullptr) throw std::logic_error{"progress without an update"};
                ++xid;
                outcome.rows = {row({std::to_string(written), std::to_string(written / 2), std::to_string(xid)})};
                outcome.rows[0].fields.push_back(action.tells_horizon ? std::optional{std::to_string(horizon_now())}
                                                                      : std::nullopt);
                if (action.next > 0)
                    move(action, *update);
                else if (stripe(action.step, action.stripe) == nullptr)
                    object(action.step + " has no stripe from " + std::to_string(action.stripe));
                break;
            }
            case Verb::update: {
                written = 0;
                for (auto page = action.from; page < action.to; ++page) {
                    auto const at = static_cast<std::size_t>(offset(action.step) + page);
                    // Passing over locked rows is at its worst here: all of them are locked.
                    if (action.skips || hopeless.contains(page) || right.at(at)) continue;
                    right[at] = true;
                    ++written;
                }
                if (written > 0 && undoes()) object("rows were filled after the abort");
                outcome.rows = {row({std::to_string(written)})};
                update = &action;
                break;
            }
            case Verb::count: {
                std::int64_t wrong = 0;
                if (action.step.ends_with(".lost")) {
                    for (auto page = action.from; page < action.to; ++page) wrong += own.contains(page) ? 1 : 0;
                    outcome.rows = {row({std::to_string(action.to - action.from), std::to_string(wrong)})};
                    move(action, action);
                    break;
                }
                for (auto page = action.from; page < action.to; ++page)
                    if (!right.at(static_cast<std::size_t>(offset(action.step) + page))) ++wrong;
                outcome.rows = {row({std::to_string(action.to - action.from), std::to_string(wrong)})};
                if (wrong == 0) move(action, action);
                break;
            }
            case Verb::keys:
                outcome.rows.clear();
                for (auto page = action.from; page < action.to && outcome.rows.size() < 10; ++page)
                    if (!right.at(static_cast<std::size_t>(offset(action.step) + page)))
                        outcome.rows.push_back(row({"id=" + std::to_string(page)}));
                move(action, action);
                stripe(action.step, action.stripe)->misses += action.number;
                break;
        }
    }
    return outcome;
}

std::int64_t World::horizon_now() {
    if (!held) horizon = xid + 1;
    return horizon;
}

void World::move(Tx::Action const& action, Tx::Action const& update) {
    auto* s = stripe(action.step, action.stripe);
    if (s == nullptr) {
        object(action.step + " has no stripe from " + std::to_string(action.stripe));
        return;
    }
    if (s->next != update.from)
        object(action.step + " leaps from page " + std::to_string(s->next) + " to " + std::to_string(update.from));
    if (action.next != update.to || update.to > s->to) object(action.step + " notes other pages than it did");
    s->next = action.next;
}

void World::judge_now(Program const& program) {
    std::set<std::string_view> told_done, told_undone;
    for (auto const& e : entries) {
        if (e.kind == "step_done") told_done.insert(e.step);
        if (e.kind == "step_undone") told_undone.insert(e.step);
    }
    for (auto const& step : program.steps) {
        if (!is_transactional(step)) continue;
        if (count(applied, step.id) != (told_done.contains(step.id) ? 1 : 0))
            object("the ledger and the database disagree on " + step.id);
        if (count(undone, step.id) != (told_undone.contains(step.id) ? 1 : 0) && !step.undo.statements.empty())
            object("the ledger and the database disagree on the undo of " + step.id);
    }
}

std::string World::print() const {
    std::string all;
    auto const add = [&](auto const&... parts) { ((all += parts, all += '\x1f'), ...); };
    for (auto const& e : entries) add(e.kind, e.step, e.order, e.key, e.value, e.user);
    for (auto const* map : {&applied, &undone})
        for (auto const& [step, times] : *map) add("did", step, std::to_string(times));
    for (auto const& step : damaged) add("damaged", step);
    for (auto const& [step, stripes] : progress)
        for (auto const& s : stripes)
            add("stripe", step, std::to_string(s.from), std::to_string(s.next), std::to_string(s.misses));
    for (auto const& [step, noted] : files) add("file", step, std::to_string(noted));
    add("shape", std::to_string(shape.leaves), std::to_string(shape.root));
    for (auto const& [step, noted] : shapes)
        add("noted", step, std::to_string(noted.leaves), std::to_string(noted.root));
    for (bool const r : right) all += r ? '1' : '0';
    for (auto const page : own) add("own", std::to_string(page));
    add(quarantine_over ? "over" : "", condition ? "open" : "");
    return all;
}

void World::judge_end(int exit, Program const& program) {
    if (exit == 0) {
        bool const rests = has("quarantined") && !has("finished");
        if (!has("finished") && !rests) object("exit 0 without its entry");
        if (rests && quarantine_over) object("it rests in a quarantine that is over");
        for (auto const& step : program.steps) {
            if (rests && step.phase == Phase::quarantine) {
                if (count(applied, step.id) > 0) object(step.id + " while the quarantine lasts");
                continue;
            }
            if (!is_done(step.id)) object(step.id + " is not done at the end");
            bool const acts = step.kind == StepKind::statements;
            if (acts && !step.forward.may_fail && count(applied, step.id) != 1)
                object(step.id + " was not applied once at the end");
        }
        if (!undone.empty()) object("something was undone in a run that is done");
        if (shape.leaves == 0 && !all_right()) object("wrong rows at the end");
    } else if (exit == 6) {
        bool const back = has("rolled_back");
        bool const contracted = std::any_of(program.steps.begin(), program.steps.end(), [&](Step const& step) {
            return step.phase == Phase::contract && step.kind != StepKind::proof && step.kind != StepKind::backup &&
                   has(is_standalone(step) ? "step_begun" : "step_done", step.id);
        });
        if (back != contracted) object(back ? "rolled back before contract" : "contract is undone without a rollback");
        if (!has("undone") && !back) object("exit 6 without its entry");
        for (auto const& step : program.steps) {
            if (!step.undo.statements.empty() && has("step_done", step.id) && count(undone, step.id) != 1)
                object(step.id + " is left behind");
            if (!step.undo.statements.empty() &&
                (count(applied, step.id) > count(undone, step.id) || damaged.contains(step.id)))
                object(step.id + " is left behind in part");
            // Of contract's steps without an undo a rollback leaves those alone that destroy nothing.
            bool const stays =
                back && step.undo.statements.empty() && !(step.kind == StepKind::statements && !step.destroys.empty());
            if (step.phase >= Phase::contract && !stays &&
                count(applied, step.id) > (back ? count(undone, step.id) : 0))
                object("undone after " + step.id);
        }
    } else {
        object("exit " + std::to_string(exit) + " is no end");
    }
}

// ---- one orchestrator ---------------------------------------------------------------------------------------------

namespace {

/// A part of a fill or a proof; listing its pages is none.
bool works(Tx const& tx) {
    return std::any_of(tx.actions.begin(), tx.actions.end(), [](Tx::Action const& a) {
        using Verb = Tx::Verb;
        return a.verb == Verb::update || a.verb == Verb::sweep || a.verb == Verb::count || a.verb == Verb::keys ||
               a.verb == Verb::horizon || a.verb == Verb::leaves || a.verb == Verb::aside;
    });
}

}  // namespace

void Sim::start() {
    ++world.epoch;
    ++starts;
    pending.clear();
    connected = {control};
    exit.reset();
    machine.reset();
    auto now_config = config;
    now_config.record = *fold(world.rows());
    now_config.told_again = now_config.record.reopened;
    // `weir run` looks at this itself, and makes no machine.
    if (now_config.record.finished || now_config.record.undone) {
        exit = now_config.record.finished ? 0 : 6;
        return;
    }
    now_config.epoch = Epoch{world.epoch};
    machine.emplace(std::move(now_config));
    give(Started{});
    for (auto const& order : orders) give(order);
}

void Sim::order(OrderWord word, std::string user, std::string argument) {
    orders.push_back({word, std::move(argument), std::move(user), static_cast<std::int64_t>(orders.size()) + 1});
    if (machine) give(orders.back());
}

void Sim::give(decltype(Input::what) what) {
    if (exit) return;
    now += Millis{1};
    take(machine->resume(Input{stamp(now), std::move(what)}));
    exit = machine->exit();
}

void Sim::take(Commands const& commands) {
    bool over = false;
    for (auto const& command : commands) {
        if (over) world.object("a command after Finish");
        auto const begin = [&](CommandId id, Kind kind, SessionId session) -> Pending& {
            for (auto const& p : pending) {
                if (p.id == id) world.object("an id was given twice");
                if (kind != Kind::rest && p.kind != Kind::rest && p.session == session && session != control)
                    world.object("two commands at once on session " + std::to_string(static_cast<int>(session)));
            }
            pending.push_back({id, kind, session, {}, false});
            return pending.back();
        };
        if (auto const* connect = std::get_if<Connect>(&command)) {
            begin(connect->id, Kind::connect, connect->session);
        } else if (auto const* execute = std::get_if<Execute>(&command)) {
            auto const& tx = begin(execute->id, Kind::execute, execute->session).tx = parse(*execute, world);
            // An undo waits for no window.
            if (works(tx) && !world.undoes() && !opening(config.settings.schedule, stamp(now).wall).open)
                world.object("work that begins while the schedule is closed");
        } else if (auto const* rest = std::get_if<Rest>(&command)) {
            begin(rest->id, Kind::rest, control).time = rest->time;
            if (rest->time <= Millis{0} || rest->time > Millis{3000}) world.object("a rest out of bounds");
        } else if (auto const* dump = std::get_if<Dump>(&command)) {
            auto& made = begin(dump->id, Kind::dump, control);
            made.dump = *dump;
        } else if (auto const* look = std::get_if<Look>(&command)) {
            begin(look->id, Kind::look, control).file = look->file;
        } else if (auto const* cancel = std::get_if<Cancel>(&command)) {
            auto const found =
                std::find_if(pending.begin(), pending.end(), [&](Pending const& p) { return p.id == cancel->target; });
            if (found == pending.end())
                world.object("a cancel of what is not in flight");
            else
                found->canceled = true;
        } else if (auto const* announce = std::get_if<Announce>(&command)) {
            if (keep_events) events.push_back(announce->event);
        } else if (auto const* finish = std::get_if<Finish>(&command)) {
            last = *finish;
            over = true;
        }
    }
    if (over != machine->exit().has_value()) world.object("Finish and exit() disagree");
}

void Sim::answer(std::size_t which, Answer how, std::string const& sqlstate) {
    auto const p = pending.at(which);
    pending.erase(pending.begin() + static_cast<std::ptrdiff_t>(which));
    Outcome outcome;
    if (p.kind == Kind::rest) {
        if (p.canceled) outcome = failure(Fate::canceled);
    } else if (p.kind == Kind::connect) {
        if (how == Answer::done)
            connected.insert(p.session);
        else
            outcome = failure(how == Answer::canceled ? Fate::canceled : Fate::lost);
    } else if (p.kind == Kind::dump) {
        auto const file = "/backups/" + p.dump.file;
        auto const size = 1000 + static_cast<std::int64_t>(world.dumps.size());
        if (how == Answer::done && world.dumps.emplace(file, size).second)
            outcome.rows = {row({file, std::to_string(size), "abc123"})};
        else
            outcome = failure(how == Answer::canceled ? Fate::canceled : Fate::refused, "", "pg_dump ended with 1");
    } else if (p.kind == Kind::look) {
        auto const file = world.dumps.find(p.file);
        if (how == Answer::done && file != world.dumps.end()) outcome.rows = {row({std::to_string(file->second)})};
        if (how != Answer::done) outcome = failure(Fate::refused, "", "nobody looked");
    } else if (!connected.contains(p.session)) {
        outcome = failure(Fate::lost, "", "not connected");
    } else {
        switch (how) {
            case Answer::done:
                outcome = world.perform(p.tx);
                break;
            case Answer::lock_busy:
                outcome = failure(Fate::lock_busy, "55P03");
                break;
            case Answer::deadlock:
                outcome = failure(Fate::deadlock, "40P01");
                break;
            case Answer::canceled:
                outcome = failure(Fate::canceled, "57014");
                outcome.marks = marks;
                break;
            case Answer::refused:
                outcome = failure(Fate::refused, sqlstate);
                break;
            case Answer::lost:
                break;
            case Answer::lost_after_commit:
                (void)world.perform(p.tx);
                break;
        }
        if (how == Answer::lost || how == Answer::lost_after_commit) {
            outcome = failure(Fate::in_doubt);
            connected.erase(p.session);
        }
        // CREATE INDEX CONCURRENTLY that fails leaves an invalid index.
        if (how != Answer::done && how != Answer::lost_after_commit && p.tx.standalone && how != Answer::refused)
            for (auto const& action : p.tx.actions)
                if ((action.verb == Tx::Verb::forward || action.verb == Tx::Verb::undo) &&
                    world.rules.probed.contains(action.step))
                    world.damaged.insert(action.step);
    }
    outcome.took = took;
    now += p.kind == Kind::rest && !p.canceled ? p.time : took;
    give(Completed{p.id, std::move(outcome)});
}

World Sim::after_kill(unsigned applied) const {
    auto after = world;
    unsigned bit = 1;
    for (auto const& p : pending)
        if (p.kind == Kind::execute && connected.contains(p.session)) {
            if ((applied & bit) != 0) (void)after.perform(p.tx);
            bit <<= 1U;
        }
    return after;
}

void Sim::kill(unsigned applied) {
    world = after_kill(applied);
    pending.clear();
    machine.reset();
    exit.reset();
}

void Sim::calm(int turns) {
    for (; turns > 0 && !exit && !pending.empty(); --turns)
        answer(0, pending[0].canceled ? Answer::canceled : Answer::done);
}

}  // namespace weir
