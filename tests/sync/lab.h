#pragma once
/// An empty database (one Lab at a time), a plan compiled for it by the real reader, catalog and operations, and its
/// steps carried out one by one as the machine does: one transaction with its ledger entry. The application is a
/// session beside it.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/postgres/ask.h"
#include "phases/program.h"
#include "tests/support/cluster.h"

namespace weir::tests {

class Lab {
  public:
    explicit Lab(std::string const& setup);

    // ---- weir
    /// Reads, judges and compiles `body` (what stands below `name:`), makes the ledger at the first call, and carries
    /// out the steps of expand. Throws when the plan has problems or a step is refused.
    void expand(std::string const& body);
    /// Only the first half of it.
    void compile_plan(std::string const& body);
    /// The problems of such a plan as text; empty for none.
    std::string problems(std::string const& body);
    void steps_of(Phase phase);  ///< the transactional ones
    Outcome try_step(Step const& step, bool undo = false);
    /// Up to a second, again when the lock is not to be had.
    void step(Step const& step, bool undo = false);
    void undo_all();
    /// Writes what is not right yet, as batches do: by the step's predicate, with `weir.batch` on; how many rows.
    int fill();
    int wrong();  ///< rows that the proof would count before the gate
    /// check_sync: the SQLSTATE, empty when all is well.
    std::string guard();
    std::string look();              ///< what the open gate tells: messages, one a line
    std::string uses();              ///< what `weir status` says of a column aside
    weir::Rows const& work() const;  ///< of the fill step
    Program const& program() const { return *program_; }

    // ---- the application
    void run(std::string const& sql) { app.exec(sql); }
    std::string code(std::string const& sql) { return app.try_exec(sql); }
    /// `1|x|~, 2|y|z`: rows in order, `~` for NULL.
    std::string rows(std::string const& sql);
    /// The server's words when it refuses; empty when it does not.
    std::string refusal(std::string const& sql);

    Database database;
    Client app;

  private:
    Plan plan(std::string const& body);
    Catalog world(Plan const& plan);

    boost::asio::io_context io_;
    std::unique_ptr<Asker> asker_;
    std::optional<Program> program_;
    RunId run_{0};
    std::int64_t seq_{};
    int plans_{};
};

/// `rename_column` of t.a to t.b.
inline constexpr char const* rename = "changes:\n  - rename_column: { table: t, from: a, to: b }\n";

/// Columns t.a and t.b by primitives: `forward` and `reverse` as SQL, empty for left out; then the fill, and NOT NULL
/// for b on demand.
std::string mapping(std::string const& type, std::string const& forward, std::string const& reverse,
                    bool not_null = false);

}  // namespace weir::tests
