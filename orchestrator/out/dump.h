#pragma once
/// pg_dump: whether it can be run from here, and running it. docs/backup.md is for people.
#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "orchestrator/machine/dumps.h"
#include "plans/problem.h"

namespace weir {

/// What keeps dumps of a server of this version (150020) from being written to the directory: no pg_dump or pg_restore
/// in PATH, older than the server, a directory that is not there or takes no file. Code::no_backup. Takes as long as
/// two programs take to say their version, and at most 20 s.
std::optional<Problem> dump_problem(std::string const& directory, int server_version);

/// Bytes that this user may still write where the directory is; nothing when that cannot be seen. A test sets it by
/// WEIR_ROOM where failpoints are built.
std::optional<std::int64_t> free_bytes(std::string const& directory);

/// pg_dump writes to a pipe, and its bytes to `<directory>/<file>.part`, mode 0600, with their SHA-256 taken on the
/// way. When it ended well, the file is on disk and pg_restore --list shows each table's rows in it, it gets its name.
/// A dump that does not come so far is removed; one that a dead weir left behind is removed by the next of the same
/// step. When weir dies, pg_dump ends at its next byte.
///
/// All methods belong to `home`'s thread and return at once, save the destructor, which ends what runs: within 2 s, if
/// pg_dump does not want to.
class Dumper : public Dumps {
  public:
    struct Config {
        std::string directory;
        std::string address;                                                      ///< ConnectionFacts::address
        std::string application_name;                                             ///< of pg_dump's session
        std::function<void(std::string const& step, std::int64_t bytes)> grew{};  ///< each second at most
    };
    Dumper(boost::asio::any_io_executor home, Config config);
    ~Dumper() override;
    Dumper(Dumper const&) = delete;
    Dumper& operator=(Dumper const&) = delete;

    void dump(Dump const& dump, Reply reply) override;
    void look(Look const& look, Reply reply) override;
    void cancel() override;

  private:
    struct World;
    std::shared_ptr<World> world_;
};

}  // namespace weir
