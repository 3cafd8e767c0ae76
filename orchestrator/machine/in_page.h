#pragma once
/// In-page order: which pages of a leaf are swept next, and how many rows of each. Pure; copyable; no clock, no SQL.
///
/// On a full page an UPDATE cannot be HOT: the new version goes to another page, and every index gets an entry. So the
/// rows of a page are not updated at once. A stripe of pages is swept in rounds: each sweep first prunes every page
/// (reading it does), then updates a few rows of it. The rows of the first round leave the page; once no snapshot can
/// see what they were, pruning frees their room, and from then on nearly every new version finds room on its own page:
/// no index entry, little WAL. What the rounds leave is taken by one last pass over the page range, by the predicate:
/// which rows go first is only an optimisation.
///
///   fresh ──> open: round, wait for the horizon, round … ──> ripe: the last pass, page range by page range
///     └────────────────── way `ranges` ────────────────────────^
///
/// A stripe's next round waits until the horizon (the oldest transaction that somebody may still not see as over) has
/// passed the last round's transactions; so many stripes are open at a time. What is decided, from every batch:
///
///   rows a page     a sixteenth of the rows of a page (fewer: more sweeps; more: more rows leave their
///                   page); doubled while even the first rounds find room (dead space, fillfactor)
///   pages a sweep   by the clock, towards the batch's target; halved when a sweep took longer than the bound
///   the way         `ranges` where in-page order cannot pay: pages of one or two rows, a statement that can never be
///                   HOT, too few HOT updates (tried again after a while), a horizon that stands still (until it
///                   moves). HOT updates are counted over four rounds of a stripe: where a page has few rows, one that
///                   leaves makes room for several, and the pages of a table are in step, so one round says nothing
///
/// In the way `ranges` every row version that an update leaves behind is dead space: `vacuum_due` says when a VACUUM
/// gives it back, so that later batches find room.
///
/// Source: heap pruning and HOT, src/backend/access/heap/README.HOT of PostgreSQL.
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "plans/event.h"

namespace weir {

struct SweepTuning {
    std::int64_t sweeps{16};              ///< rounds that a full page is aimed at
    std::size_t open_at_most{64};         ///< stripes, over all leaves of a fill
    std::int64_t pages_at_first{64};      ///< of a sweep
    std::int64_t pages_at_most{4096};     ///< of a sweep, and of a stripe
    std::int64_t judged_rows{2000};       ///< updates after which the HOT share is judged; not those of first rounds
    std::int64_t judged_rounds{4};        ///< of a stripe, which count together
    double hot_at_least{0.25};            ///< a lower share does not pay for the sweeps
    double rows_a_page_at_least{3};       ///< of fewer rows the first round would move too many
    std::int64_t pages_at_least{64};      ///< of a leaf: a smaller one may double, and is done sooner
    std::int64_t vacuum_every{8};         ///< a VACUUM after the leaf's rows / this many dead rows
    std::int64_t vacuum_at_least{20000};  ///< dead rows
};

class InPageOrder {
  public:
    struct Config {
        double rows_a_page{};  ///< by the server's estimate; 0: not known, learnt from the first stripe
        std::int64_t pages{};  ///< of the leaf; 0: not known
        std::string never;     ///< why no update can stay on its page; empty: it may
        bool plain{};          ///< the plan wants page ranges
        bool counted{true};    ///< the server counts HOT updates (track_counts)
        Millis target{50};
        SweepTuning tuning{};
    };
    /// One sweep: the next `rows_a_page` rows of each page from .. to that are not right.
    struct Turn {
        std::size_t stripe{};
        std::int64_t from{}, to{};
        std::int64_t rows_a_page{};
        bool first{};        ///< the pages are full: its rows leave them
        bool pass_locked{};  ///< somebody held a row of this stripe: pass over locked rows
    };
    struct Swept {
        std::int64_t rows{}, hot{};
        std::int64_t xid{};  ///< of its transaction; 0: it wrote nothing, so there is nobody to wait for
        Millis took{};
    };
    enum class Trouble : std::uint8_t {
        locked,    ///< a row or the table was locked
        too_long,  ///< longer than the bound
    };

    explicit InPageOrder(Config config);

    /// The next stripe's number is the count of those added. `begun`: its last pass had begun before; it goes on.
    void add(std::int64_t from, std::int64_t to, bool begun);
    void add_done(std::int64_t from, std::int64_t to);

    /// A stripe for the last pass, or the only one; it is the caller's from now on.
    std::optional<std::size_t> ripe(std::int64_t horizon);
    /// A sweep; its stripe is taken until swept() or failed().
    std::optional<Turn> sweep(std::int64_t horizon, bool may_open);
    void swept(Turn const& turn, Swept const& result);
    void failed(Turn const& turn, Trouble trouble);
    /// A batch of a last pass, for the count of dead rows.
    void filled(Swept const& result);

    /// Stripes that only wait for the horizon: there is something to do, and nothing that may be done now.
    bool waits() const;
    /// The horizon stood still for long while everything waited: go on by page ranges until it moves. The open stripes
    /// are ended one by one, so that those left are swept on as soon as it does.
    void held(std::string const& why);
    /// No stripe is left that ripe() or sweep() could give, now or later.
    bool exhausted() const;
    std::size_t open() const { return opened_.size(); }

    /// Enough dead rows for a VACUUM, and nobody sees the oldest of them any more.
    bool vacuum_due(std::int64_t horizon) const;
    std::int64_t dead_rows() const { return dead_; }
    void vacuumed();

    Way way() const { return way_; }
    std::string const& reason() const { return reason_; }
    /// Rows of a page, as estimated or learnt; 0: not known yet.
    double rows_a_page() const { return density_; }

  private:
    enum class State : std::uint8_t { fresh, open, ripe, given };
    struct Stripe {
        std::int64_t from{}, to{};
        State state{State::fresh};
        bool taken{}, pass_locked{};
        std::int64_t at{};  ///< where the round goes on
        std::int64_t rounds{}, rows_a_page{};
        std::int64_t round_rows{}, rows{};
        std::int64_t judged_rows{}, judged_hot{};  ///< of its rounds that were not judged yet
        std::int64_t xid{};                        ///< the newest of the last round
        std::int64_t next_xid{};                   ///< of the round that is going on
    };

    void ripen(std::size_t stripe);
    void end_round(std::size_t stripe);
    void to_ranges(std::string reason);
    void to_in_page(std::string reason);
    void learn_room(Turn const& turn, Swept const& result);
    void judge(Stripe& stripe);
    void set_density(double rows_a_page);
    void come_back(std::int64_t horizon);
    bool ready(Stripe const& stripe, std::int64_t horizon) const;

    Config config_;
    std::vector<Stripe> stripes_;
    std::deque<std::size_t> ripe_;
    std::vector<std::size_t> opened_;
    std::size_t fresh_{};  ///< the first stripe that may be fresh
    double density_{};
    std::int64_t base_{1}, rows_a_page_{1}, pages_{};
    std::int64_t judged_rows_{}, judged_hot_{};
    std::int64_t too_long_{};
    std::int64_t dead_{}, due_xid_{};
    Way way_{Way::in_page};
    std::string reason_;
    bool final_{};                      ///< the way `ranges` stays
    std::optional<std::int64_t> held_;  ///< back when the horizon passes this
    std::int64_t by_ranges_{};          ///< stripes given since the share was too low
    static constexpr std::int64_t retry_first = 4;
    std::int64_t retry_after_{retry_first};  ///< such stripes until in-page order is tried again
};

}  // namespace weir
