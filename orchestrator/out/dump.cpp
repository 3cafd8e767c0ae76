#include "orchestrator/out/dump.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "orchestrator/out/pg_program.h"
#include "orchestrator/out/process.h"
#include "orchestrator/out/sha256.h"

namespace weir {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t list_at_most = 1U << 26;
constexpr std::string_view part_end = ".part";

/// What a pattern of pg_dump takes literally.
std::string quoted(std::string const& name) {
    std::string text = "\"";
    for (char const c : name) text += (c == '"' ? "\"" : "") + std::string{c};
    return text + "\"";
}

void write_all(int fd, std::string_view bytes, std::string const& file) {
    while (!bytes.empty()) {
        auto const wrote = ::write(fd, bytes.data(), bytes.size());
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote < 0) throw Failed{"cannot write " + file + ": " + words_of_errno(errno)};
        bytes.remove_prefix(static_cast<std::size_t>(wrote));
    }
}

/// Those of a weir that is dead: who writes one has it locked.
void remove_left_over(std::string const& directory, std::string const& file) {
    auto const before_time = file.rfind('.', file.rfind('.') - 1);
    auto const begin = file.substr(0, before_time + 1);
    std::error_code error;
    for (auto const& entry : fs::directory_iterator{directory, error}) {
        auto const name = entry.path().filename().string();
        if (!name.starts_with(begin) || !name.ends_with(".dump" + std::string{part_end})) continue;
        OwnedFd const left{::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
        if (left.get() >= 0 && ::flock(left.get(), LOCK_EX | LOCK_NB) == 0) ::unlink(entry.path().c_str());
    }
}

/// The oids of the tables whose rows are in the dump: `3347; 0 16394 TABLE DATA public users owner`.
std::set<std::string> dumped_rows(std::string const& list) {
    std::set<std::string> oids;
    for (std::size_t at = 0; at < list.size();) {
        auto const end = std::min(list.find('\n', at), list.size());
        std::string_view const line{list.data() + at, end - at};
        at = end + 1;
        auto const kind = line.find(" TABLE DATA ");
        auto const first = line.find("; ");
        if (line.starts_with(';') || kind == std::string_view::npos || first > kind) continue;
        auto const numbers = line.substr(first + 2, kind - first - 2);
        auto const space = numbers.find(' ');
        if (space != std::string_view::npos) oids.emplace(numbers.substr(space + 1));
    }
    return oids;
}

struct Made {
    std::string file;
    std::int64_t bytes{};
    std::string sha256;
};

Outcome refusal(std::string message, Sealed more = {}) {
    Outcome outcome;
    outcome.fate = Fate::refused;
    outcome.message = std::move(message);
    outcome.more = std::move(more);
    return outcome;
}

}  // namespace

struct Dumper::World : std::enable_shared_from_this<World> {
    World(asio::any_io_executor e, Config c) : home{std::move(e)}, config{std::move(c)} {}

    /// On a thread of its own; its answer comes on home's.
    template <class Work>
    void begin(Work work, Reply reply) {
        if (hand.joinable()) hand.join();
        stopping = false;
        // `home` does not run dry while it works.
        hand = std::thread{[self = shared_from_this(), work = std::move(work), reply = std::move(reply),
                            working = asio::prefer(home, asio::execution::outstanding_work.tracked)]() mutable {
            Outcome outcome;
            auto const began = Clock::now();
            try {
                outcome = work();
            } catch (Canceled const&) {
                outcome.fate = Fate::canceled;
                outcome.message = "the dump was ended";
            } catch (Failed const& failed) {
                outcome = refusal(failed.what(), failed.said);
            } catch (std::exception const& failed) {
                outcome = refusal(failed.what());
            }
            outcome.took = std::chrono::duration_cast<Millis>(Clock::now() - began);
            asio::post(self->home, [weak = self->weak_from_this(), reply = std::move(reply),
                                    outcome = std::move(outcome)]() mutable {
                auto const world = weak.lock();
                if (world && !world->over) reply(std::move(outcome));
            });
        }};
    }

    Outcome make(Dump const& dump) {
        auto const whole = config.directory + "/" + dump.file;
        auto const part = whole + std::string{part_end};
        std::error_code error;
        remove_left_over(config.directory, dump.file);
        if (fs::exists(fs::symlink_status(whole, error))) throw Failed{"there is a file " + whole + " already"};
        OwnedFd file{::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
        if (file.get() < 0) throw Failed{"cannot make " + part + ": " + words_of_errno(errno)};
        try {
            if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0)
                throw Failed{"cannot lock " + part + ": " + words_of_errno(errno)};
            auto const made = write(dump, file.get(), part);
            check(dump, part);
            if (::rename(part.c_str(), whole.c_str()) != 0)
                throw Failed{"cannot give " + part + " its name: " + words_of_errno(errno)};
            try {
                sync_directory();
            } catch (...) {
                ::unlink(whole.c_str());
                throw;
            }
            Outcome outcome;
            outcome.rows.push_back({{whole, std::to_string(made.bytes), made.sha256}});
            return outcome;
        } catch (...) {
            ::unlink(part.c_str());
            throw;
        }
    }

    Made write(Dump const& dump, int file, std::string const& name) {
        std::vector<std::string> command{
            "pg_dump",
            "--format=custom",
            "--no-password",
            "--strict-names",
            "--lock-wait-timeout=" + std::to_string(std::min<std::int64_t>(dump.lock_wait.count(), INT_MAX)),
            "--dbname=" + config.address + " application_name='" + config.application_name + "'"};
        for (auto const& table : dump.tables)
            command.push_back("--table=" + quoted(table.schema) + "." + quoted(table.name));
        Made made;
        Sha256 sum;
        auto told = Clock::now();
        run_program(
            command,
            [&](std::string_view bytes) {
                write_all(file, bytes, name);
                sum.add(bytes);
                made.bytes += static_cast<std::int64_t>(bytes.size());
                if (Clock::now() - told < std::chrono::seconds{1}) return;
                told = Clock::now();
                tell(dump.step, made.bytes);
            },
            [this] { return stopping.load(); });
        if (::fsync(file) != 0) throw Failed{"cannot bring " + name + " to disk: " + words_of_errno(errno)};
        made.sha256 = sum.hex();
        return made;
    }

    void check(Dump const& dump, std::string const& file) {
        std::string list;
        run_program(
            {"pg_restore", "--list", file},
            [&](std::string_view bytes) {
                if (list.size() + bytes.size() > list_at_most) throw Failed{"the list of pg_restore has no end"};
                list += bytes;
            },
            [this] { return stopping.load(); });
        auto const oids = dumped_rows(list);
        for (auto const& table : dump.tables)
            if (table.rows && !oids.contains(table.oid))
                throw Failed{"the rows of " + table.schema + "." + table.name + " are not in the dump, as pg_restore " +
                             "--list shows it"};
    }

    void sync_directory() const {
        OwnedFd const folder{::open(config.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        if (folder.get() < 0 || ::fsync(folder.get()) != 0)
            throw Failed{"cannot bring " + config.directory + " to disk: " + words_of_errno(errno)};
    }

    void tell(std::string const& step, std::int64_t bytes) {
        asio::post(home, [weak = weak_from_this(), step, bytes] {
            auto const world = weak.lock();
            if (world && !world->over && world->config.grew) world->config.grew(step, bytes);
        });
    }

    void stop() {
        over = true;
        stopping = true;
        if (hand.joinable()) hand.join();
    }

    asio::any_io_executor home;
    Config config;
    std::atomic<bool> stopping{};
    bool over{};
    std::thread hand;
};

Dumper::Dumper(asio::any_io_executor home, Config config)
    : world_{std::make_shared<World>(std::move(home), std::move(config))} {}
Dumper::~Dumper() { world_->stop(); }

void Dumper::dump(Dump const& dump, Reply reply) {
    world_->begin([world = world_.get(), dump] { return world->make(dump); }, std::move(reply));
}

void Dumper::look(Look const& look, Reply reply) {
    world_->begin(
        [file = look.file] {
            struct stat found {};
            Outcome outcome;
            if (::stat(file.c_str(), &found) == 0 && S_ISREG(found.st_mode))
                outcome.rows.push_back({{std::to_string(found.st_size)}});
            return outcome;
        },
        std::move(reply));
}

void Dumper::cancel() { world_->stopping = true; }

}  // namespace weir
