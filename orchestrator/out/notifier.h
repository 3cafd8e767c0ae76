#pragma once
/// Tells people: a JSON document by POST to a webhook, and a command that is run. What is told:
/// orchestrator/run/notices.h.
#include <boost/asio/any_io_executor.hpp>
#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "orchestrator/out/fetcher.h"
#include "plans/event.h"
#include "plans/plan.h"

namespace weir {

/// What people are told, once. docs/notify.md has the fields.
struct Notice {
    std::string event;                          ///< of a closed set: `started`, `gate`, `held`, `stopped`, …
    std::string text;                           ///< one line for people
    std::map<std::string, std::string> fields;  ///< further ones by name; upper-case they are the command's WEIR_…
};
/// The body of the webhook: `text`, `event` and the fields, as one object. Bytes that are no UTF-8 become U+FFFD.
std::string to_json(Notice const& notice);

struct NotifyLimits {
    FetchLimits fetch{Millis{5000}, Millis{10'000}, 1U << 16, 1U << 16};
    int tries{6};
    Millis first_rest{1000};  ///< before the second try; doubled before each further one
    Millis longest_rest{30'000};
    Millis command{30'000};  ///< after that it is killed, with what it started
    std::size_t queue{64};   ///< notices that wait; beyond that the oldest is given up
};

/// The webhook and the command each have a queue and a pace of their own: each gets the notices in order, one at a
/// time. A webhook that answers with 408, 429 or 5xx, or not at all, is tried again; another answer that is not 2xx is
/// final. The command gets WEIR_EVENT, WEIR_TEXT and a WEIR_… for each field, PATH, and nothing else of weir's
/// environment; no stdin, no descriptors but stdout and stderr, of which the end is told when it fails. No shell.
///
/// Constructor, destructor, tell(), idle() and callbacks belong to `home`'s thread. Nothing of it blocks that thread
/// but the destructor, which kills a command that runs. `failed` gets what became of a notice that could not be given,
/// without a secret.
class Notifier {
  public:
    struct Config {
        std::string webhook;               ///< empty: none
        std::vector<std::string> command;  ///< empty: none
        std::function<void(std::string message)> failed;
        std::function<void()> emptied{};  ///< whenever idle() becomes true
        NotifyLimits limits{};
    };
    Notifier(boost::asio::any_io_executor home, Config config);
    ~Notifier();
    Notifier(Notifier const&) = delete;
    Notifier& operator=(Notifier const&) = delete;

    void tell(Notice notice);
    /// Nothing waits and nothing is under way.
    bool idle() const;

  private:
    struct World;
    std::shared_ptr<World> world_;
};

/// The address itself, read from the environment where the plan says so; empty: none. Code::bad_value without the value
/// when it is not there.
std::variant<std::string, Problem> webhook_address(Notify const& notify);

/// What came of one command.
struct Commanded {
    bool good{};          ///< it ended with 0
    std::string problem;  ///< `it ended with 3: last words`, `it did not end within 30 s`, `it cannot be started: …`
};

/// Runs it to its end, on the calling thread, with `environment` and PATH alone. `stop` is asked at least each 50 ms:
/// true ends it at once.
Commanded run_hook(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment,
                   Millis limit, std::function<bool()> const& stop);

}  // namespace weir
