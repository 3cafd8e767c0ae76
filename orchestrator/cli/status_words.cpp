#include <algorithm>
#include <cmath>

#include "orchestrator/cli/status.h"

namespace weir {
namespace {

std::string padded(std::string step) {
    step.resize(std::max<std::size_t>(step.size(), 12), ' ');
    return step + ' ';
}

}  // namespace

std::optional<std::int64_t> StepWork::in_place() const {
    if (!step.starts_with("backfill.") || rows <= 0) return {};
    return std::clamp<std::int64_t>(hot * 100 / rows, 0, 100);
}

std::optional<std::int64_t> rows_per_second(StepWork const& before, StepWork const& after) {
    double const took = after.read_at - before.read_at;
    if (before.over() || after.rows < before.rows || !(took > 0)) return {};
    return std::llround(static_cast<double>(after.rows - before.rows) / took);
}

std::string work_line(StepWork const& work, std::optional<std::int64_t> rate) {
    auto text = padded(work.step) + "pages " + std::to_string(work.pages_done) + " of " + std::to_string(work.pages) +
                ", " + std::to_string(work.rows) + " rows";
    if (auto const share = work.in_place()) text += ", " + std::to_string(*share) + " % in place";
    if (rate) text += ", " + std::to_string(*rate) + " rows/s";
    if (work.rows_wrong > 0) text += ", " + std::to_string(work.rows_wrong) + " rows not right";
    return text;
}

std::string proof_line(ProofFigures const& proof) {
    return padded(proof.step) + "proved " + (proof.again ? "again " : "") + proof.at + ": " + proof.rows_read +
           " rows read, " + proof.rows_filled + " filled, " + proof.rows_wrong + " not right";
}

}  // namespace weir
