#include "phases/craft/deeds.h"

#include <utility>

namespace weir {

Deed under(std::vector<TableLock> locks, Batch statements) {
    Deed deed;
    deed.statements = std::move(statements);
    deed.locks = locks;
    deed.holds = std::move(locks);
    return deed;
}

Deed nothing(std::string why) {
    Deed deed;
    deed.note = std::move(why);
    return deed;
}

Deed alone(std::vector<TableLock> holds, Sql statement, Batch probe) {
    Deed deed;
    deed.statements = {std::move(statement)};
    deed.holds = std::move(holds);
    deed.standalone = true;
    deed.probe = std::move(probe);
    return deed;
}

Step there_and_back(std::string title, Deed forward, Deed undo) {
    Step step;
    step.kind = StepKind::statements;
    step.title = std::move(title);
    step.forward = std::move(forward);
    step.undo = std::move(undo);
    return step;
}

Step ddl(std::string title, std::vector<TableLock> const& locks, Batch forward, Batch undo) {
    return there_and_back(std::move(title), under(locks, std::move(forward)), under(locks, std::move(undo)));
}

}  // namespace weir
