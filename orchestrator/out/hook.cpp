#include <algorithm>
#include <chrono>

#include "orchestrator/out/notifier.h"
#include "orchestrator/out/process.h"

namespace weir {
namespace {

constexpr std::size_t last_words = 1000;

/// What became of a command that ran to its end, or was ended.
struct Run {
    enum class Why : std::uint8_t { by_itself, stopped, late } why{};
    Ended ended{};
    std::string said{};  ///< its last words
};

Run run_to_its_end(Child& child, Millis limit, std::function<bool()> const& stop) {
    auto const deadline = std::chrono::steady_clock::now() + limit;
    Run run;
    auto const keep = [&](Child::Stream, std::string_view bytes) {
        run.said += bytes;
        if (run.said.size() > last_words) run.said.erase(0, run.said.size() - last_words);
    };
    while (!child.ended()) {
        bool const stopped = stop();
        bool const late = std::chrono::steady_clock::now() >= deadline;
        if (stopped || late) {
            child.end(Millis{0});
            run.why = stopped ? Run::Why::stopped : Run::Why::late;
            break;
        }
        child.read(Child::glance, keep);
    }
    run.ended = *child.ended();
    // What it started may go on writing for ever.
    for (auto before = run.said.size() + 1;
         child.open() && run.said.size() != before && run.said.size() < last_words;) {
        before = run.said.size();
        child.read(Millis{0}, keep);
    }
    return run;
}

}  // namespace

Commanded run_hook(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment,
                   Millis limit, std::function<bool()> const& stop) {
    try {
        Child child{command, environment, Inherited::path, Child::Streams::joined};
        auto run = run_to_its_end(child, limit, stop);
        if (run.why == Run::Why::stopped) return {false, "it was ended, because weir ends"};
        auto& said = run.said;
        while (!said.empty() && (said.back() == '\n' || said.back() == ' ')) said.pop_back();
        std::ranges::replace(said, '\n', ' ');
        auto const words = said.empty() ? "" : ": " + said;
        if (run.why == Run::Why::late) {
            auto const s = std::to_string(static_cast<double>(limit.count()) / 1000);
            return {false, "it did not end within " + s.substr(0, s.find('.') + 2) + " s and was killed" + words};
        }
        if (run.ended.good()) return {true, ""};
        return {false, "it " + run.ended.words() + words};
    } catch (Child::NotStarted const& not_started) {
        return {false, "it cannot be started: " + words_of_errno(not_started.error)};
    }
}

}  // namespace weir
