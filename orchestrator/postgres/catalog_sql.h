#pragma once
/// The parts of the catalog reader's question: each is a SELECT of one cell, a JSON list, about the table `c` (a row of
/// pg_class) unless it says otherwise. `dependent` and `read_by` are common table expressions of the whole.
#include "plans/sql.h"

namespace weir::catalog_sql {

/// The table and its partitions at any depth, as `s(relid)`.
Sql tree();
/// As people write it: without the schema if that is public.
Sql said(Sql const& schema, Sql const& name);
/// `["schema","name"]`.
Sql name(Sql const& schema, Sql const& relation);
/// The names of the columns of `relation` that a list of numbers holds, in its order; without the zeros of expressions.
Sql names_of(Sql const& relation, Sql const& numbers);
/// An aclitem[] as a sorted list; `grants` of NULL is the empty one, `acl` of NULL is NULL.
Sql grants(Sql const& list);
Sql acl(Sql const& list);
/// A text[] as a list.
Sql list(Sql const& texts);
/// The name of one that is not the database's own.
Sql tablespace(Sql const& oid);
Sql labels(Sql const& relation, Sql const& number);

Sql columns();
Sql differing_leaves();
Sql indexes();
/// An object of the constraint `k`.
Sql constraint();
Sql constraints();
Sql foreign_keys();
Sql triggers();
Sql rules();
Sql policies();
Sql publications();
Sql sequences();
Sql statistics();
Sql dependents();
Sql mentions();
Sql views();
/// Common table expression: the views that read a table (`root`), and those that read them.
Sql read_by();
/// Of all tables in `described`, which has their oids.
Sql neighbours();
/// Of the whole database.
Sql enums();

}  // namespace weir::catalog_sql
