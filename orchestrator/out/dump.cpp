#include "orchestrator/out/dump.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <climits>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "orchestrator/out/process.h"
#include "plans/sql.h"

namespace weir {
namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr std::size_t last_words = 1000;
constexpr std::size_t list_at_most = 1U << 26;
constexpr int glance_ms = 50;
constexpr std::chrono::seconds mercy{2};
constexpr std::chrono::seconds version_limit{10};
constexpr std::string_view part_end = ".part";

/// What went wrong, in words for people; `said`: what a program that talked with the server said of it.
struct Failed : std::runtime_error {
    explicit Failed(std::string const& what, std::string words = {})
        : std::runtime_error{what}, said{std::move(words)} {}
    Sealed said;
};
struct Canceled {};

class Descriptor {
  public:
    explicit Descriptor(int fd = -1) : fd_{fd} {}
    ~Descriptor() { close(); }
    Descriptor(Descriptor const&) = delete;
    Descriptor& operator=(Descriptor const&) = delete;
    Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        close();
        fd_ = std::exchange(other.fd_, -1);
        return *this;
    }
    int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

  private:
    int fd_;
};

/// The end of a text, in whole characters.
std::string_view ending(std::string_view text, std::size_t most) {
    auto from = text.size() > most ? text.size() - most : 0;
    while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0U) == 0x80U) ++from;
    return text.substr(from);
}

/// One program and its two streams. What is left of it at the end is killed.
class Running {
  public:
    Running(std::vector<std::string> const& command, std::map<std::string, std::string> const& environment)
        : name_{command[0]} {
        std::array<int, 2> out{}, err{};
        if (::pipe2(out.data(), O_CLOEXEC) != 0) throw Failed{"no pipe: " + words_of_errno(errno)};
        out_ = Descriptor{out[0]};
        Descriptor const out_end{out[1]};
        if (::pipe2(err.data(), O_CLOEXEC) != 0) throw Failed{"no pipe: " + words_of_errno(errno)};
        err_ = Descriptor{err[0]};
        Descriptor const err_end{err[1]};
        auto const made = spawn(command, environment, Inherited::all, out[1], err[1]);
        if (made.error != 0) throw Failed{name_ + " cannot be started: " + words_of_errno(made.error)};
        pid_ = made.pid;
    }
    ~Running() { end(); }
    Running(Running const&) = delete;
    Running& operator=(Running const&) = delete;

    /// Reads until both streams are closed and it has ended; throws Failed unless it ended with 0, Canceled when `stop`
    /// became true.
    template <class Take, class Stop>
    void run(Take const& take, Stop const& stop) {
        std::vector<char> some(1U << 17);
        while (out_.get() >= 0 || err_.get() >= 0) {
            if (stop()) throw Canceled{};
            std::array<pollfd, 2> fds{pollfd{out_.get(), POLLIN, 0}, pollfd{err_.get(), POLLIN, 0}};
            if (::poll(fds.data(), fds.size(), glance_ms) <= 0) continue;
            if (fds[0].revents != 0) read(out_, some, [&](std::string_view bytes) { take(bytes); });
            if (fds[1].revents != 0)
                read(err_, some, [&](std::string_view bytes) {
                    said_ += bytes;
                    if (said_.size() > 4 * last_words) said_ = ending(said_, 2 * last_words);
                });
        }
        int status = 0;
        for (pid_t got = 0; (got = ::waitpid(pid_, &status, WNOHANG)) != pid_;) {
            if (got < 0 && errno != EINTR) throw Failed{name_ + " was lost: " + words_of_errno(errno)};
            if (stop()) throw Canceled{};
            ::poll(nullptr, 0, glance_ms);
        }
        pid_ = -1;
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
        auto const how = WIFEXITED(status) ? " ended with " + std::to_string(WEXITSTATUS(status))
                                           : " was ended by signal " + std::to_string(WTERMSIG(status));
        std::string const words{ending(harmless(said_), last_words)};
        throw Failed{name_ + how, words.empty() ? words : name_ + " says: " + words};
    }

  private:
    template <class Use>
    void read(Descriptor& from, std::vector<char>& some, Use const& use) {
        auto const got = ::read(from.get(), some.data(), some.size());
        if (got > 0)
            use(std::string_view{some.data(), static_cast<std::size_t>(got)});
        else if (got == 0 || errno != EINTR)
            from.close();
    }
    void end() {
        if (pid_ < 0) return;
        // pg_dump then cancels what it runs on the server.
        ::kill(-pid_, SIGTERM);
        auto const limit = Clock::now() + mercy;
        auto const over = [this] {
            siginfo_t info{};
            return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
                   info.si_pid == pid_;
        };
        while (!over() && Clock::now() < limit) ::poll(nullptr, 0, glance_ms / 10);
        // With what it started; until it is waited for, the number is its own.
        ::kill(-pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        pid_ = -1;
    }

    std::string name_;
    pid_t pid_{-1};
    Descriptor out_, err_;
    std::string said_;
};

class Sha256 {
  public:
    Sha256() : context_{EVP_MD_CTX_new(), &EVP_MD_CTX_free} {
        if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
            throw Failed{"no SHA-256 is to be had"};
    }
    void add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }
    std::string hex() {
        std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
        unsigned size = 0;
        EVP_DigestFinal_ex(context_.get(), raw.data(), &size);
        std::string text;
        for (unsigned i = 0; i < size; ++i)
            for (unsigned const shift : {4U, 0U}) text += "0123456789abcdef"[(unsigned{raw[i]} >> shift) & 15U];
        return text;
    }

  private:
    std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

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
        Descriptor const left{::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)};
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

std::optional<int> major_of(std::string const& program, std::string& said) {
    Running running{{program, "--version"}, {}};
    auto const limit = Clock::now() + version_limit;
    running.run(
        [&](std::string_view bytes) {
            if (said.size() < last_words) said += bytes;
        },
        [&] { return Clock::now() >= limit; });
    // `pg_dump (PostgreSQL) 15.20 (Debian …)`
    auto const from = said.find(") ");
    int major = 0;
    if (from == std::string::npos ||
        std::from_chars(said.data() + from + 2, said.data() + said.size(), major).ec != std::errc{})
        return std::nullopt;
    return major;
}

}  // namespace

std::string harmless(std::string text) {
    if (char const* secret = std::getenv("PGPASSWORD"); secret != nullptr && *secret != '\0') {
        std::string const word{secret};
        for (auto at = text.find(word); at != std::string::npos; at = text.find(word, at + 3))
            text.replace(at, word.size(), "***");
    }
    for (std::string const key : {"password=", "PASSWORD="})
        for (auto at = text.find(key); at != std::string::npos; at = text.find(key, at + key.size())) {
            auto const from = at + key.size();
            bool const in_quotes = from < text.size() && text[from] == '\'';
            auto const to = in_quotes ? text.find('\'', from + 1) : text.find_first_of(" \n&\"", from);
            text.replace(from, to == std::string::npos ? std::string::npos : to - from + (in_quotes ? 1 : 0), "***");
        }
    for (auto at = text.find("://"); at != std::string::npos; at = text.find("://", at + 3)) {
        auto const end = text.find_first_of(" \n/", at + 3);
        auto const host = text.rfind('@', end == std::string::npos ? text.size() : end);
        auto const colon = text.find(':', at + 3);
        if (host != std::string::npos && host > at && colon < host) text.replace(colon + 1, host - colon - 1, "***");
    }
    bool const sound = is_utf8(text);
    for (auto& c : text) {
        auto const byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7F) c = ' ';
        if (byte >= 0x80 && !sound) c = '?';
    }
    while (!text.empty() && text.back() == ' ') text.pop_back();
    return text;
}

std::optional<Problem> dump_problem(std::string const& directory, int server_version) {
    auto const no = [](std::string message, std::string hint, Sealed more = {}) {
        return Problem{Code::no_backup, {}, std::move(message), std::move(hint), std::move(more)};
    };
    int const server = server_version / 10000;
    int dump = 0;
    for (std::string const program : {"pg_dump", "pg_restore"}) {
        auto const wanted = std::max(server, dump);
        auto const advice = "install the client programs of PostgreSQL " + std::to_string(wanted) +
                            " or newer where weir runs, and let them come first in PATH";
        std::string said;
        try {
            auto const major = major_of(program, said);
            if (!major) return no(program + " does not tell its version: " + harmless(said), advice);
            if (*major < wanted)
                return no(program + " is of PostgreSQL " + std::to_string(*major) +
                              ", and what it would have to read is of " + std::to_string(wanted),
                          advice);
            dump = *major;
        } catch (Failed const& failed) {
            return no("the backup needs " + program + ": " + failed.what(), advice, failed.said);
        } catch (Canceled const&) {
            return no(program + " --version does not end", advice);
        }
    }
    std::error_code error;
    if (!fs::is_directory(directory, error))
        return no("the directory for the backup is not there: " + directory,
                  "make it, or set backup.directory; one that is not absolute begins where weir is started");
    auto probe = directory + "/.weir-XXXXXX";
    int const fd = ::mkostemp(probe.data(), O_CLOEXEC);
    if (fd < 0)
        return no("cannot write into the directory for the backup, " + directory + ": " + words_of_errno(errno),
                  "let the user that weir runs as write there, or set backup.directory");
    ::unlink(probe.c_str());
    ::close(fd);
    return std::nullopt;
}

std::optional<std::int64_t> free_bytes(std::string const& directory) {
#ifdef WEIR_FAILPOINTS
    if (char const* text = std::getenv("WEIR_ROOM")) return std::atoll(text);
#endif
    std::error_code error;
    auto const room = fs::space(directory, error);
    if (error) return std::nullopt;
    return static_cast<std::int64_t>(std::min<std::uintmax_t>(room.available, INT64_MAX));
}

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
        Descriptor file{::open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
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
        Running running{command, {}};
        running.run(
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
        Running running{{"pg_restore", "--list", file}, {}};
        running.run(
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
        Descriptor const folder{::open(config.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
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
