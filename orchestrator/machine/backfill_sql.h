#pragma once
/// The SQL of a backfill, from plain parameters: no state, and nothing is decided here.
///
/// Predicates and values are over the columns of a row, by bare name; a leaf stands under the name of its table. What
/// reads or writes rows begins with open_batch(), in the same transaction.
#include <cstdint>
#include <string>
#include <vector>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/machine/protocol.h"
#include "plans/step.h"

namespace weir {

/// Whose rows of weir.progress.
struct ProgressKey {
    RunId run{};
    std::string step;  ///< or `<step>.look`: of a proof's second pass
};

/// A leaf, as it was when its pages were counted.
struct LeafFile {
    std::int64_t oid{};
    std::int64_t filenode{};
    std::int64_t root{};  ///< oid of the table
    TableName name;
};

/// Pages of a leaf, and the progress row that they count for.
struct PageSpan {
    ProgressKey progress;
    LeafFile leaf;
    std::int64_t stripe{};  ///< first page of the stripe: with the leaf, the key of its progress row
    std::int64_t from{}, to{};
};

struct Preparation {
    Epoch epoch{};
    ProgressKey progress;
    bool proof{};           ///< what was read stands on the shape of a leaf, too
    bool counts{};          ///< it writes nothing, so rules do not matter
    bool restart{};         ///< what was done before is forgotten
    std::int64_t stripe{};  ///< pages of a stripe, at most
};
/// Makes the progress rows what they must be for the leaves as they are now: what was done stays done, except where a
/// leaf has another file or shape, or rows were wrong. Raises as check_kinds(), check_rules() and the guard do, and
/// when there is no such table. One row a stripe, by leaf and page: stripe_row() reads it.
Batch prepare_progress(Rows const& rows, Preparation const& how);

/// A row of prepare_progress().
struct StripeRow {
    LeafFile leaf;
    std::int64_t from{}, to{};
    std::int64_t next{};           ///< pages before it are done
    std::int64_t rows{};           ///< that were done
    std::int64_t rows_estimate{};  ///< of the leaf, with its first stripe; else 0
    double rows_a_page{};          ///< by the server's estimate; 0: not known
    bool counted{};                ///< the server counts HOT updates
    std::string changed;           ///< of a proof: what of the root's shape is another now, in words; empty: nothing
};
StripeRow stripe_row(Row const& row);

/// One row: 't' when a leaf has pages and no progress of its file (of a proof: of its shape), else 'f'.
Batch look_for_leaves(Rows const& rows, Epoch epoch, ProgressKey const& progress, bool proof);

/// One row: the transaction before which all are over for everybody.
Batch read_horizon();
/// A commit as an application's: a record of a few bytes, synchronous.
Batch empty_commit();
/// REQUIRES Transaction::standalone.
Batch vacuum(TableName const& leaf);

/// Settings, the fence, the lock on the leaf against rewrites, and the check that it still is the same file (else
/// SQLSTATE WE002).
Batch open_batch(Rows const& rows, Epoch epoch, LeafFile const& leaf, bool writes);
/// Locked rows are waited for, or passed over.
enum class OnLocked : std::uint8_t { wait, pass };
/// Writes, or deletes, the rows of the span for which `want.todo` holds. One row, of which the first field is none of
/// the caller's: what it wrote is kept in weir.rows, for advance_filled().
Sql write_rows(Rows const& rows, Wanted const& want, PageSpan const& span, OnLocked locked);
/// write_rows(), and the span is done. One row: rows written, HOT ones, transaction, and with `horizon` the horizon.
Batch fill_span(Rows const& rows, Wanted const& want, PageSpan const& span, OnLocked locked, bool horizon);
/// Writes at most `rows_a_page` rows of each page for which `want.todo` holds; the span is not done by it. One row, as
/// that of fill_span().
Batch sweep_span(Rows const& rows, Wanted const& want, PageSpan const& span, std::int64_t rows_a_page, OnLocked locked,
                 bool horizon);
/// Counts, and the span is done when no row is wrong, or `counts`. One row: all, and those for which `wrong` holds.
Sql count_span(Rows const& rows, Sql const& wrong, PageSpan const& span, bool counts);
/// The span is done, with `misses`. Up to ten rows: the keys of those for which `want.wrong` holds. Where there are
/// several fragments, each says which of them it is wrong for, `id=7 (full_name, city)`, and how many rows of the span
/// are wrong for each fragment, a field each.
Sql name_misses(Rows const& rows, Wanted const& want, PageSpan const& span, std::int64_t misses);

}  // namespace weir
