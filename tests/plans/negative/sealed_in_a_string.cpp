// Sealed
#include <string>

#include "plans/problem.h"

std::string use(weir::Sealed const& sealed) { return sealed; }
