#include "phases/craft/deeds.h"
#include "phases/craft/parts.h"
#include "phases/craft/subject.h"

namespace weir {
namespace {

class Vacuum : public Operation {
  public:
    Vacuum(TableName table, std::vector<Touched> touched) : table_{std::move(table)}, touched_{std::move(touched)} {}
    Problems validate(Catalog const&) const override { return {}; }
    Steps compile(Catalog const&, RunId) const override {
        // Truncating the tail would take ACCESS EXCLUSIVE, here and on every replica.
        auto vacuum = alone(lock_of(table_, LockMode::share_update_exclusive),
                            sql("VACUUM (ANALYZE, TRUNCATE false) {0}", table_), {});
        vacuum.scans = true;
        vacuum.may_fail = true;
        return {there_and_back("vacuum and analyze " + table_.text(), std::move(vacuum), nothing("nothing to undo"))};
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
