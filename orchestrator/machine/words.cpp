#include <algorithm>
#include <array>
#include <utility>

#include "orchestrator/machine/protocol.h"

namespace weir {

Sealed words_of(Outcome const& outcome) {
    std::string text;
    if (!outcome.said.empty() && outcome.said.reveal() != outcome.message)
        text = "the server says: " + outcome.said.reveal();
    if (!outcome.more.empty()) text += (text.empty() ? "" : "\n") + outcome.more.reveal();
    return Sealed{std::move(text)};
}

std::string_view name(Fate fate) {
    switch (fate) {
        case Fate::done:
            return "done";
        case Fate::lock_busy:
            return "lock busy";
        case Fate::deadlock:
            return "deadlock";
        case Fate::canceled:
            return "canceled";
        case Fate::fenced:
            return "fenced";
        case Fate::refused:
            return "refused";
        case Fate::lost:
            return "lost";
        case Fate::in_doubt:
            return "in doubt";
    }
    return "";
}

namespace {
constexpr std::array order_words{
    std::pair{OrderWord::approve, std::string_view{"approve"}}, std::pair{OrderWord::abort, std::string_view{"abort"}},
    std::pair{OrderWord::pause, std::string_view{"pause"}}, std::pair{OrderWord::resume, std::string_view{"resume"}},
    std::pair{OrderWord::set, std::string_view{"set"}}};
}

Sql mark() {
    return sql("DO {0}", Sql::body(sql(R"(
BEGIN
  RAISE NOTICE USING ERRCODE = 'WE200', MESSAGE = ((extract(epoch FROM pg_catalog.clock_timestamp()) -
    pg_catalog.current_setting('weir.began')::pg_catalog.numeric) * 1000)::pg_catalog.int8::pg_catalog.text;
END
)")));
}

std::string_view name(OrderWord word) {
    return std::find_if(order_words.begin(), order_words.end(), [&](auto const& w) { return w.first == word; })->second;
}

std::optional<OrderWord> order_word(std::string_view name) {
    for (auto const& [word, text] : order_words)
        if (text == name) return word;
    return std::nullopt;
}

}  // namespace weir
