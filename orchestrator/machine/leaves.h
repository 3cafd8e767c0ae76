#pragma once
/// What a backfill knows of the physical tables under its table: their files, the stripes that their pages are cut
/// into, the order in which those are gone through (in_page.h), and which are done. Pure; copyable.
///
/// A stripe is given to one worker at a time: find() gives it, and no other worker gets it until it is done, or the
/// sweep that it was given for has ended.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "orchestrator/machine/backfill_sql.h"
#include "orchestrator/machine/in_page.h"

namespace weir {

/// Pages of a leaf that share a progress row.
struct Stripe {
    std::size_t leaf{};  ///< for Leaves::file()
    std::int64_t from{}, to{};
    std::int64_t next{};  ///< pages before it are done

    bool done() const { return next >= to; }
};

class Leaves {
  public:
    struct Config {
        std::string never_in_page;  ///< why no update can stay on its page; empty: it may
        bool plain{};               ///< page ranges only
        Millis target{};
        SweepTuning sweep{};
    };
    enum class Kind : std::uint8_t {
        vacuum,  ///< of leaf `of`
        range,   ///< the last pass over stripe `of`, or the only one; it is the caller's until it is done
        sweep,   ///< of stripe `of`, until swept() or sweep_failed()
    };
    struct Work {
        Kind kind{};
        std::size_t of{};
        InPageOrder::Turn turn{};  ///< of a sweep
    };

    /// Forgets all, and begins with what the server says now.
    void count(std::vector<StripeRow> const& rows, Config const& config);

    /// A VACUUM that is due, else a stripe that is to be finished, else a sweep; leaf by leaf.
    std::optional<Work> find(std::int64_t horizon);
    /// A VACUUM of this leaf is due, and is the caller's until vacuumed().
    bool take_vacuum(std::size_t leaf, std::int64_t horizon);
    /// It ended, well or not; the rows that were dead when it was due.
    std::int64_t vacuumed(std::size_t leaf);

    /// All pages of the stripe before `to` are done. Pages that had not been told as done before.
    std::int64_t advance(std::size_t stripe, std::int64_t to);
    /// A batch of a last pass wrote this.
    void filled(std::size_t stripe, InPageOrder::Swept const& result);
    /// Pages that are told as done: as many of the stripe's as its share of swept rows.
    std::int64_t swept(std::size_t stripe, InPageOrder::Turn const& turn, InPageOrder::Swept const& result);
    void sweep_failed(std::size_t stripe, InPageOrder::Turn const& turn, InPageOrder::Trouble trouble);

    /// Something is left that only waits for the horizon.
    bool waits() const;
    /// It waited for long: whatever waits is done without.
    void go_on_without_horizon();
    /// Every page of every stripe.
    bool done() const;

    /// The leaf's way and its reason, when it is another one than was told last.
    std::optional<std::pair<Way, std::string>> new_way(std::size_t leaf);

    Stripe const& stripe(std::size_t i) const { return stripes_[i].pages; }
    LeafFile const& file(std::size_t leaf) const { return leaves_[leaf].file; }
    /// Leaves may come and go. Stays true.
    bool partitioned() const { return partitioned_; }
    std::int64_t pages() const { return pages_; }
    std::int64_t pages_done() const { return pages_done_; }

  private:
    struct Tracked {
        Stripe pages;
        std::int64_t swept{};  ///< rows that sweeps wrote
        std::int64_t told{};   ///< pages that were told as done meanwhile
    };
    struct Leaf {
        LeafFile file;
        InPageOrder order;
        std::size_t first{};  ///< of its stripes
        std::optional<Way> told{};
        bool vacuuming{};
    };
    std::optional<Work> find_in(std::size_t leaf, std::int64_t horizon, bool may_open);

    std::vector<Tracked> stripes_;
    std::vector<Leaf> leaves_;
    std::size_t first_{};  ///< leaves before it have nothing left
    std::size_t open_at_most_{};
    std::int64_t pages_{}, pages_done_{};
    bool partitioned_{};
};

}  // namespace weir
