#include "plans/reader.h"

#include <algorithm>

#include "plans/frame.h"
#include "plans/identity.h"
#include "plans/yaml.h"

namespace weir {
namespace {

void sort_by_place(Problems& problems) {
    std::stable_sort(problems.begin(), problems.end(), [](Problem const& a, Problem const& b) {
        return std::pair{a.place.line, a.place.column} < std::pair{b.place.line, b.place.column};
    });
}

/// Where the first byte stands that is not part of UTF-8 text.
Place first_bad_byte(std::string_view text, std::string const& file) {
    Place place{file, 1, 1};
    for (std::size_t at = 0; at < text.size();) {
        std::size_t length = 1;
        while (length <= 4 && !is_utf8(text.substr(at, length))) ++length;
        if (length > 4) break;
        if (text[at] == '\n') {
            ++place.line;
            place.column = 0;
        }
        ++place.column;
        at += length;
    }
    return place;
}

}  // namespace

std::variant<Plan, Problems> read_plan(std::string_view text, std::string const& file, OperationTable operations) {
    if (text.size() > plan_bytes_max)
        return Problems{{Code::not_readable,
                         {file, 0, 0},
                         "the file is larger than 1 MB (" + std::to_string(text.size()) + " bytes)",
                         "is it a plan?"}};
    if (!is_utf8(text)) {
        bool const nul = text.find('\0') != std::string_view::npos;
        return Problems{{Code::not_readable, first_bad_byte(text, file),
                         nul ? "the file is not text: it holds a NUL byte" : "the file is not UTF-8 text",
                         "save it as UTF-8"}};
    }

    auto document = read_yaml(text, file);
    auto& problems = document.problems;
    NodeReader reader{problems};
    Frame frame;
    if (document.root)
        frame = read_frame(reader, *document.root, operations);
    else if (problems.empty())
        problems.push_back({Code::not_readable, {file, 0, 0}, "the file is empty", "begin with `weir: 1`"});
    if (!problems.empty()) {
        sort_by_place(problems);
        return std::move(problems);
    }
    frame.plan.parts = build_parts(frame);
    frame.plan.identity = identity(frame);
    frame.plan.text = text;
    frame.plan.file = file;
    return std::move(frame.plan);
}

}  // namespace weir
