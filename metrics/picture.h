#pragma once
/// The live picture of a run: what `weir status` shows from anywhere. A listener of the events that keeps the last of
/// each and writes them as one JSON document (docs/status.md); the run stores it in the ledger once a second.
#include <memory>
#include <string>

#include "plans/event.h"

namespace weir {

/// One thread. Bounded: it keeps no history.
class Picture : public Listener {
  public:
    Picture();
    ~Picture() override;
    Picture(Picture const&) = delete;
    Picture& operator=(Picture const&) = delete;

    void hear(Event const& event) noexcept override;

    /// As of `now`, which the rates and ages need. An object; members that are not known are absent.
    std::string json(Instant now) const;

  private:
    struct World;
    std::unique_ptr<World> world_;
};

}  // namespace weir
