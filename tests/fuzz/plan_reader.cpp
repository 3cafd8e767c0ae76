/// libFuzzer on the plan reader: whatever the file holds, it is a plan or problems, each with a hint, told without a
/// crash.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "phases/operations.h"
#include "plans/problem.h"
#include "plans/reader.h"

namespace {

void demand(bool holds, char const* what) {
    if (holds) return;
    std::fprintf(stderr, "not so: %s\n", what);
    std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
    std::string_view const text{reinterpret_cast<char const*>(data), size};
    auto const read = weir::read_plan(text, "plan.yaml", weir::operations());
    if (auto const* problems = std::get_if<weir::Problems>(&read)) {
        demand(!problems->empty(), "a plan that is refused has a problem");
        for (auto const& problem : *problems) {
            demand(!problem.message.empty(), "a problem has a message");
            demand(problem.place.file == "plan.yaml", "a problem has its place");
        }
        for (char const c : weir::to_text(*problems))
            demand(c == '\n' || static_cast<unsigned char>(c) >= 0x20, "no control character in a message");
        return 0;
    }
    // What was read once reads the same again.
    auto const& plan = std::get<weir::Plan>(read);
    auto const again = weir::read_plan(plan.text, "other.yaml", weir::operations());
    auto const* same = std::get_if<weir::Plan>(&again);
    demand(same != nullptr && same->identity == plan.identity && same->settings == plan.settings,
           "a plan reads the same twice");
    auto const colon = text.find(':');
    if (colon != std::string_view::npos)
        static_cast<void>(weir::with_setting(plan.settings, text.substr(0, colon), text.substr(colon + 1)));
    return 0;
}
