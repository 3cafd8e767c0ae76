#pragma once
/// A real Prometheus that scrapes one weir, a few times a second, with rules or without.
#include <boost/asio/io_context.hpp>
#include <optional>
#include <string>
#include <vector>

#include "orchestrator/out/fetcher.h"
#include "tests/support/bench.h"

namespace weir::tests {

/// A port of the loopback interface that was free just now.
int free_port();

/// One GET, to its end.
Fetched get(std::string const& url);

class Prometheus {
  public:
    static bool installed();
    /// `rules`: the text of a rule file; empty: none. Scrapes 127.0.0.1:`target` as job `weir`.
    explicit Prometheus(int target, std::string const& rules = "");

    struct Answer {
        std::string problem;              ///< empty: it was taken
        std::vector<std::string> series;  ///< labels and value of each, as JSON
    };
    Answer query(std::string const& text) const;
    /// The alert is firing; `part` is in its labels.
    bool fires(std::string const& alert, std::string const& part = "") const;
    std::string log() const { return process_->err(); }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }

  private:
    Folder folder_;
    int port_;
    std::optional<Process> process_;
};

/// metrics/alerts.yaml with seconds instead of minutes and hours.
std::string impatient_rules();

}  // namespace weir::tests
