#pragma once
// A table of operations of the same shape as the real one, whose operations do nothing but keep what they were given.
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "plans/operation.h"

namespace weir::test {

class Dummy : public Operation {
  public:
    Dummy(std::string name, FieldValues given) : what{std::move(name)}, values{std::move(given)} {}
    Problems validate(Catalog const&) const override { return {}; }
    Steps compile(Catalog const&, RunId) const override { return {}; }
    void apply(Catalog&, RunId) const override {}
    std::vector<Touched> touches() const override { return {}; }

    std::string what;
    FieldValues values;
};

OperationTable operations();

/// One operation, `try`, with an optional field of every kind.
OperationTable every_kind();

/// `rename_column:expand` and the like, in the plan's order.
std::vector<std::string> parts_of(std::vector<Part> const& parts);

}  // namespace weir::test
