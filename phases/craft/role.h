#pragma once
/// Under whose role a plan's statements run: the owner's of the table that they change, or the one that the plan names.
/// So what they make belongs to whom it would belong if the owner had made it, with the owner's default privileges, and
/// event triggers see the owner.
#include "plans/catalog/catalog.h"
#include "plans/plan.h"

namespace weir {

/// Who changes the table.
Ident role_for(Plan const&, Table const&);

/// The same batch, each statement with the rights of whom it belongs to (Sql::by()): SET LOCAL ROLE stands before those
/// of the owner, and RESET ROLE behind them, so that whatever follows in the transaction is weir's. As it is when none
/// is the owner's.
Batch by_role(Ident const& role, Batch const& batch);

/// What the server is asked: may weir become the role, and may the role do what is asked of it?
Questions role_questions(Plan const&, Catalog const&);

/// Why not. A table that weir itself may not change is left to whoever looks at the table.
Problems refused_roles(Plan const&, Catalog const&);

}  // namespace weir
