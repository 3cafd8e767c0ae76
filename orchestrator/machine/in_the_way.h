#pragma once
/// Who is in the way of a statement that may wait long: asked on the control session beside it, one question at a
/// time. A child of the run machine; pure and copyable.
#include <optional>
#include <vector>

#include "orchestrator/machine/ladder.h"
#include "orchestrator/machine/protocol.h"

namespace weir {

class InTheWay {
  public:
    bool owns(CommandId id) const { return asking_ == id; }
    /// Whom the session `pid` waits for just now. Nothing is asked while a question is on its way.
    void behind(int pid, Ids& ids, Commands& out) {
        ask([&] { return look_behind(pid); }, ids, out);
    }
    /// Who holds or awaits a lock that conflicts with one of these. As above. REQUIRES a lock.
    void of(std::vector<TableLock> const& locks, Ids& ids, Commands& out) {
        ask([&] { return look_for(locks); }, ids, out);
    }
    /// REQUIRES owns(completed.command).
    void completed(Completed const& completed) {
        asking_.reset();
        blockers_ = blockers_of(completed.outcome.rows);
    }
    /// As the last answer had them.
    std::vector<Blocker> const& blockers() const { return blockers_; }
    void forget() { blockers_.clear(); }

  private:
    template <class Question>
    void ask(Question const& question, Ids& ids, Commands& out) {
        if (asking_) return;
        asking_ = ids();
        out.emplace_back(Execute{*asking_, control, {question()}, Transaction::implicit, limits});
    }
    static constexpr Limits limits{Millis{100}, Millis{1000}, Millis{5000}};

    std::optional<CommandId> asking_;
    std::vector<Blocker> blockers_;
};

}  // namespace weir
