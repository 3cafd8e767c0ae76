#pragma once
/// The words of `weir status`: figures of the ledger as lines. No server, no clock.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace weir {

/// The work of one step: the sum over its stripes in weir.progress.
struct StepWork {
    std::string step{};
    std::int64_t pages_done{}, pages{}, rows{}, rows_wrong{};
    std::int64_t hot{};  ///< rows whose new version stayed on its page
    double read_at{};    ///< seconds by the server's clock

    /// Percent of the rows whose new version stayed on its page, rounded down. Nothing for the steps of a proof, which
    /// write nothing that counts, and before the first row.
    std::optional<std::int64_t> in_place() const;
    /// Nothing is left to do.
    bool over() const { return pages_done >= pages; }
};

/// Rows a second between two readings of one step. Nothing when no time passed between them, when the count fell (the
/// table was rewritten, or the pass began anew), and when the work was over before.
std::optional<std::int64_t> rows_per_second(StepWork const& before, StepWork const& after);

/// `backfill.1   pages 1200 of 9000, 540000 rows, 81 % in place, 12100 rows/s, 3 rows not right`.
std::string work_line(StepWork const& work, std::optional<std::int64_t> rate);

/// The lines of a live picture (metrics/picture.h) that is `age` seconds old: what is left of the work, the way and the
/// workers with their reasons, the pace with its reasons, who is in the way, and every signal with value, limit and
/// age. Nothing of a picture that is not one.
std::vector<std::string> picture_lines(std::string const& picture, double age);

/// The text as it overwrites what a terminal shows from its first line on: lines that are too long are cut, as is what
/// has no room; 0 columns or rows: not known, and nothing is cut. `clears`: what stood there before goes first.
std::string screen(std::string const& text, std::size_t columns, std::size_t rows, bool clears);

/// What the last proof of a step found, as the ledger has it.
struct ProofFigures {
    std::string step, at, rows_read, rows_filled, rows_wrong;
    bool again{};  ///< repeated while a gate was open
};

/// `proof.1      proved 2026-11-21 02:47:48+00: 50000 rows read, 3 filled, 0 not right`; `proved again` when repeated.
std::string proof_line(ProofFigures const& proof);

}  // namespace weir
