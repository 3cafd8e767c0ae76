#pragma once
/// A wall clock that a test sets forward and back while programs run by it; their steady clocks are the machine's.
///
/// It is preloaded into what is started with environment(): servers, and programs without sanitizers.
#include <cstdint>
#include <map>
#include <string>

namespace weir::tests {

class SteppedClock {
  public:
    SteppedClock();
    ~SteppedClock();
    SteppedClock(SteppedClock const&) = delete;
    SteppedClock& operator=(SteppedClock const&) = delete;

    std::map<std::string, std::string> environment() const;
    /// So many seconds ahead of the machine's clock from now on, in all programs that were started by it.
    void set(std::int64_t ahead);
    std::int64_t ahead() const;

  private:
    std::string file_;
    std::int64_t* step_;
};

}  // namespace weir::tests
