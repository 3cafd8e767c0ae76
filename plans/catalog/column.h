#pragma once
#include <optional>
#include <string>
#include <vector>

#include "plans/catalog/grant.h"

namespace weir {

/// Who has a column: the server, or so far the plan alone.
enum class ColumnOrigin {
    server,
    plan,  ///< an operation of this plan adds it: the server does not have it yet. Never in a snapshot
};

struct Column {
    std::string name;
    std::string type;       ///< format_type() with every name qualified: `numeric(10,2)`, `public.citext`
    std::string collation;  ///< `"schema"."name"`, always quoted; empty when it is the type's own
    bool not_null{};
    std::string default_expression;  ///< pg_get_expr(); empty for none
    bool default_is_constant{};      ///< no function call that is not immutable, no sequence
    std::string identity;            ///< attidentity: empty, `a`, `d`
    std::string generated;           ///< attgenerated: empty, `s`, `v`
    std::string storage;             ///< attstorage when it differs from the type's own: `p`, `e`, `m`, `x`; else empty
    std::string compression;         ///< attcompression: empty, `p`, `l`
    int statistics_target{-1};       ///< -1: the server's default
    std::string options;             ///< attoptions, as text: `{n_distinct=5}`; empty for none
    std::optional<std::string> comment;
    std::vector<Grant> grants;  ///< column grants only, sorted
    std::vector<SecurityLabel> labels{};
    bool in_partition_key{};
    ColumnOrigin origin{ColumnOrigin::server};
    bool operator==(Column const&) const = default;
};

/// A partition's column where it is not as the table's own: what is absent is the same there. A comment and grants
/// reach no partition by themselves, so that each has its own or none.
struct LeafColumn {
    std::string name;
    std::optional<std::string> default_expression{};  ///< empty: it has none
    std::optional<bool> not_null{};
    std::optional<std::string> storage{}, compression{};
    std::optional<int> statistics_target{};
    std::optional<std::string> options{};
    std::optional<std::string> comment{};
    std::vector<Grant> grants{};
    bool operator==(LeafColumn const&) const = default;
};

}  // namespace weir
