#include "phases/craft/parts.h"
#include "phases/craft/subject.h"

namespace weir {
namespace {

class Vacuum : public Operation {
  public:
    Vacuum(TableName table, std::vector<Touched> touched) : table_{std::move(table)}, touched_{std::move(touched)} {}
    Problems validate(Catalog const&) const override { return {}; }
    Steps compile(Catalog const&, RunId) const override {
        Step step;
        step.kind = StepKind::standalone;
        step.title = "vacuum and analyze " + table_.text();
        step.holds = lock_of(table_, LockMode::share_update_exclusive);
        step.scans = true;
        step.may_fail = true;
        step.vacuums = table_;
        // Truncating the tail would take ACCESS EXCLUSIVE, here and on every replica.
        step.forward = {sql("VACUUM (ANALYZE, TRUNCATE false) {0}", table_)};
        step.undo_note = "nothing to undo";
        return {step};
    }
    void apply(Catalog&, RunId) const override {}
    std::vector<Touched> touches() const override { return touched_; }

  private:
    TableName table_;
    std::vector<Touched> touched_;
};

}  // namespace

std::shared_ptr<Operation const> make_vacuum(TableName table, std::vector<Touched> touched) {
    return std::make_shared<Vacuum>(std::move(table), std::move(touched));
}

}  // namespace weir
