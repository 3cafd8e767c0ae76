#pragma once
/// What an HTTP check and a Prometheus query say, as readings. Pure.
#include <string>

#include "orchestrator/machine/protocol.h"
#include "orchestrator/out/fetcher.h"
#include "plans/plan.h"

namespace weir {

/// Signal `http`, the subject its name. Without a limit the status alone counts: 0 for 2xx (to be judged against the
/// limit 1). With a limit the body of a 2xx is the value: one number and nothing else. Any other status is a reading
/// without value: `health answers 503`.
Reading http_reading(CustomSignal const& signal, Fetched const& fetched);

/// `http://prom:9090/api/v1/query?query=…`; a path of the base stays before it.
std::string prometheus_url(std::string const& base, std::string const& query);

/// Signal `prometheus`, the subject its name: the value of an instant query that gives a scalar or a vector, the
/// largest of several; NaN is passed over when there are others. Without value when there is none: `cpu yields
/// nothing`.
Reading prometheus_reading(CustomSignal const& signal, Fetched const& fetched);

}  // namespace weir
