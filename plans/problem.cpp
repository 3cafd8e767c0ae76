#include "plans/problem.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace weir {

namespace {

/// Names and the server's words go to somebody's terminal: no control character but the end of a line does.
std::string plain(std::string text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const c = static_cast<unsigned char>(text[i]);
        if ((c < 0x20 && c != '\n') || c == 0x7f) text[i] = ' ';
        // U+0080 to U+009F, which some terminals obey, too.
        if (c == 0xc2 && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xa0) text.replace(i, 2, " ");
    }
    return text;
}

}  // namespace

std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        auto const end = text.find('\n');
        lines.emplace_back(text.substr(0, end));
        text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    return lines;
}

std::string to_text(Problem const& problem, Audience audience) {
    std::string text;
    if (!problem.place.file.empty()) {
        text += problem.place.file;
        if (problem.place.line > 0)
            text += ":" + std::to_string(problem.place.line) + ":" + std::to_string(problem.place.column);
        text += ": ";
    }
    text += "error[" + std::string{name(problem.code)} + "]: " + plain(problem.message) + "\n";
    if (audience == Audience::terminal)
        for (auto const& line : lines_of(problem.more.reveal())) text += "  " + plain(line) + "\n";
    else if (!problem.more.empty())
        text += "  " + std::string{withheld} + "\n";
    if (!problem.hint.empty()) text += "  hint: " + plain(problem.hint) + "\n";
    return text;
}

std::string to_text(Problems problems, Audience audience) {
    std::stable_sort(problems.begin(), problems.end(), [](Problem const& a, Problem const& b) {
        return std::tie(a.place.line, a.place.column) < std::tie(b.place.line, b.place.column);
    });
    std::string text;
    for (auto const& problem : problems) text += to_text(problem, audience);
    return text;
}

int exit_code(Problems const& problems) {
    int worst = 0;
    for (auto const& problem : problems) worst = std::max(worst, exit_code(problem.code));
    return worst;
}

std::string nearest(std::string_view word, std::vector<std::string_view> const& candidates) {
    std::string best;
    // A third of the word may be wrong; more is another word.
    std::size_t best_distance = word.size() / 3 + 2;
    for (auto const candidate : candidates) {
        std::vector<std::size_t> row(candidate.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 1; i <= word.size(); ++i) {
            std::size_t diagonal = row[0];
            row[0] = i;
            for (std::size_t j = 1; j <= candidate.size(); ++j) {
                std::size_t const substitute = diagonal + (word[i - 1] == candidate[j - 1] ? 0 : 1);
                diagonal = row[j];
                row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitute});
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = candidate;
        }
    }
    return best;
}

}  // namespace weir
