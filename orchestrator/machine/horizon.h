#pragma once
/// The horizon as a fill knows it: the transaction before which all are over for everybody (docs/backfill.md), how old
/// that knowledge is, and how long the fill waits for it when nothing else is left to do. Pure; times are steady.
#include <cstdint>
#include <optional>
#include <string>

#include "plans/event.h"

namespace weir {

/// How long a fill waits for the horizon when there is nothing else to do: a second at a time, and in all a second and
/// a twentieth of the time that it worked.
class Patience {
  public:
    static constexpr Millis at_a_time{1000};
    static constexpr int share{20};

    /// Everything waits, now; false: it has waited long enough.
    bool wait(Millis now);
    /// There is something to do.
    void work(Millis now);

  private:
    std::optional<Millis> began_, waiting_;
    Millis waited_{};
};

class Horizon {
  public:
    /// How old it may be while there is work, and while everything waits for it.
    static constexpr Millis fresh_for{100};
    static constexpr Millis rest{20};
    enum class Turn : std::uint8_t {
        read,     ///< ask the server now
        rest,     ///< it was asked just now: rest for `rest`
        give_up,  ///< it has been waited for long enough: go on without
    };

    /// 0: never read.
    std::int64_t xid() const { return xid_; }
    /// The next batch shall bring it along.
    bool stale(Millis now) const { return !read_ || now - *read_ >= fresh_for; }
    /// The server's word; nothing: it was not asked.
    void read(std::optional<std::string> const& word, Millis now);
    /// The server was asked, in vain or not.
    void asked(Millis now) { read_ = now; }

    /// Everything waits for it. The first turn of a wait is never to give up: what is known may be old, one more
    /// question costs nothing, and nobody is blamed without it.
    Turn wait(Millis now);
    /// There is something to do, or nothing may be done.
    void work(Millis now);

  private:
    std::int64_t xid_{};
    std::optional<Millis> read_;
    bool waiting_{};
    Patience patience_;
};

}  // namespace weir
