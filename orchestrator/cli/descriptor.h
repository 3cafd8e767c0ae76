#pragma once
/// Writes lines to a descriptor that may be slow, full or gone.
#include <cstdint>
#include <string>

#include "plans/event.h"

namespace weir {

/// Never blocks but in flush(): what the descriptor does not take waits in memory, up to a MiB; beyond that lines are
/// dropped, and their number is told before the next one. A reader that is gone (EPIPE) silences it; SIGPIPE is kept
/// off. One thread.
class Descriptor {
  public:
    /// `fd` stays the caller's. `json`: what is told of dropped lines is an object, too.
    Descriptor(int fd, bool json);

    void line(std::string const& text);
    /// Nothing waits, and there is a reader: what is out of date in a moment may be written.
    bool idle() const { return waiting_.empty() && !gone_; }
    /// Writes what waits, for so long at most.
    void flush(Millis patience);
    /// Columns of the terminal; 80 where there is none.
    int width() const;

  private:
    int fd_;
    bool terminal_, json_;
    bool gone_{};
    std::string waiting_;
    std::int64_t dropped_{};
};

}  // namespace weir
