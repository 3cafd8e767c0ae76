#pragma once
/// Who may act. A newcomer (1) takes the leader's lock, (2) raises the epoch, (3) polls until no working session of an
/// earlier orchestrator is left, (4) acts; every transaction of a hand checks the epoch. Advisory locks are tried,
/// never waited for.
#include <optional>
#include <string>
#include <variant>

#include "orchestrator/machine/ledger.h"
#include "orchestrator/postgres/ask.h"

namespace weir {

/// The application_name of the session that leads a run: by it status and abort know which run is worked on. The server
/// keeps 63 bytes of it; of a longer plan name a fingerprint stands for the end.
std::string control_name(std::string const& plan_name);

/// Takes the leader's lock for the asker's session. A Problem names the living leader.
std::optional<Problem> take_lead(Asker& asker);

/// The same in place of the weir that works on this plan, alive or not: it is fenced, and its leading session is ended.
/// A Problem when that one works on another plan, or may not be ended, or when somebody else was faster. `told` gets
/// who was ended; nothing when nobody led.
std::optional<Problem> take_over(Asker& asker, std::string const& plan_name, std::string& told);

/// A Problem when another orchestrator has led since `led`. REQUIRES a ledger.
std::optional<Problem> passed(Asker& asker, Epoch led);

/// Is there a ledger? A Problem when it is from a newer version, when a part of it is missing, or when schema weir
/// belongs to somebody else.
std::variant<bool, Problem> has_ledger(Asker& asker);

/// Creates schema weir; the caller leads. Refused while a publication FOR ALL TABLES would send the ledger to
/// subscribers that do not have its tables: their apply would stop. That cannot be seen from here, so
/// `subscribers_ready` is the operator's word that they have them. `waits` as for raise_and_wait().
std::optional<Problem> make_ledger(Asker& asker, Asker::Waits const& waits = {}, bool subscribers_ready = false);

/// Raises the epoch and waits until the hands of earlier orchestrators are gone; then nobody else writes the ledger,
/// and one of an earlier version becomes one of this version. `end_them`: they are ended instead of waited for. `waits`
/// is told when a synchronous standby is missing (Asker::ask); `subscribers_ready` as for make_ledger().
std::variant<Epoch, Problem> raise_and_wait(Asker& asker, bool end_them = false, Asker::Waits const& waits = {},
                                            bool subscribers_ready = false);

/// `faults`, one or more, as a refusal: what to do about them is on the page of the ledger.
Problem damaged(std::string const& faults);

/// The newest run of this name; nothing when there is none. A Problem when the ledger, of whatever run, is not as weir
/// leaves it: no run begins or goes on beside that. REQUIRES a ledger.
std::variant<std::optional<RunRecord>, Problem> load_run(Asker& asker, std::string const& plan_name);

}  // namespace weir
