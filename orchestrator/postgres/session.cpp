#include "orchestrator/postgres/session.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "orchestrator/postgres/connection.h"

namespace weir {
namespace {

using Clock = std::chrono::steady_clock;
using JobId = std::uint64_t;
constexpr auto all_jobs = std::numeric_limits<JobId>::max();
// A cancel may come before its statement and miss it, so it is sent again; a server that does not even answer to that
// is cut off.
constexpr auto cancel_again = std::chrono::milliseconds{500};
constexpr auto patience = std::chrono::seconds{10};
constexpr auto patience_at_end = std::chrono::seconds{2};

struct Job {
    JobId id{};
    bool connect{};
    Batch batch;
    Transaction transaction{};
    Limits limits;
    Session::Reply reply;
    boost::asio::any_io_executor home;  // counts as work: `home` does not run dry while a reply is due
};

/// What the threads share. It outlives the session when a cancel is still on its way.
struct Shared {
    std::mutex mutex;
    std::condition_variable work;   // for the session's thread, and for who waits for its end
    std::condition_variable watch;  // for the side thread
    std::deque<Job> jobs;
    std::shared_ptr<Breaker> breaker;
    JobId running{};  // 0: nothing that a cancel may be sent for
    Clock::time_point give_up{};
    // When the side thread looks by itself; one that ends later need not wake it, so that it costs a batch nothing.
    Clock::time_point looks_at{Clock::time_point::max()};
    JobId cancel_up_to{};
    bool sending{}, stopping{}, worker_done{};
    int abort_fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    Shared() = default;
    ~Shared() { ::close(abort_fd); }
    Shared(Shared const&) = delete;
    Shared& operator=(Shared const&) = delete;

    void raise_abort() const noexcept { (void)::eventfd_write(abort_fd, 1); }
    void clear_abort() const noexcept {
        eventfd_t ignored{};
        (void)::eventfd_read(abort_fd, &ignored);
    }
};

Outcome cancelled_before_it_began() {
    Outcome outcome;
    outcome.fate = Fate::canceled;
    outcome.sqlstate = "57014";
    outcome.message = "cancelled before it was sent";
    return outcome;
}

void send_cancel(std::shared_ptr<Shared> const& shared) {
    shared->sending = true;
    // PQcancel may block for minutes; neither the deadline nor the end of the session waits for it.
    std::thread{[shared, breaker = shared->breaker] {
        breaker->cancel();
        std::lock_guard const lock{shared->mutex};
        shared->sending = false;
        shared->work.notify_all();
        shared->watch.notify_all();
    }}.detach();
}

/// The side thread: looks after give_up and after cancels.
void watch(std::shared_ptr<Shared> const& shared) {
    std::unique_lock lock{shared->mutex};
    JobId watched{};
    Clock::time_point first{};
    Clock::time_point next{};
    while (!shared->worker_done) {
        auto const now = Clock::now();
        bool const idle = shared->running == 0;
        if (idle || (shared->running > shared->cancel_up_to && now < shared->give_up)) {
            shared->looks_at = idle ? Clock::time_point::max() : shared->give_up;
            if (shared->looks_at == Clock::time_point::max())
                shared->watch.wait(lock);
            else
                shared->watch.wait_until(lock, shared->looks_at);
            continue;
        }
        shared->looks_at = Clock::time_point::max();
        if (watched != shared->running) {
            watched = shared->running;
            first = next = now;
        }
        if (now >= first + patience) {
            shared->breaker->cut();
            shared->watch.wait_for(lock, patience);
            continue;
        }
        if (now >= next) {
            next = now + cancel_again;
            if (!shared->sending) send_cancel(shared);
        }
        shared->watch.wait_until(lock, next);
    }
}

/// The session's thread, which alone touches the connection.
class Worker {
  public:
    explicit Worker(std::shared_ptr<Shared> shared, std::string conninfo, SessionRole role)
        : shared_{std::move(shared)}, conninfo_{std::move(conninfo)}, role_{std::move(role)} {}

    template <class Deliver>
    void operator()(Deliver const& deliver) {
        for (;;) {
            Job job;
            {
                std::unique_lock lock{shared_->mutex};
                shared_->work.wait(lock, [&] { return shared_->stopping || !shared_->jobs.empty(); });
                if (shared_->stopping) break;
                job = std::move(shared_->jobs.front());
                shared_->jobs.pop_front();
            }
            auto outcome = job.connect ? connect(job) : execute(job);
            deliver(std::move(job), std::move(outcome), connection_ ? connection_->facts() : ConnectionFacts{});
        }
        connection_.reset();
        std::lock_guard const lock{shared_->mutex};
        shared_->breaker.reset();
        shared_->worker_done = true;
        shared_->work.notify_all();
        shared_->watch.notify_all();
    }

  private:
    Outcome connect(Job const& job) {
        {
            std::lock_guard const lock{shared_->mutex};
            if (shared_->stopping || job.id <= shared_->cancel_up_to) return cancelled_before_it_began();
            shared_->clear_abort();  // of a cancel that was meant for an earlier call
            shared_->breaker.reset();
        }
        connection_.reset();
        auto const began = Clock::now();
        auto opened = Connection::open(conninfo_, role_, shared_->abort_fd);
        Outcome outcome;
        if (auto* failed = std::get_if<Outcome>(&opened)) {
            outcome = std::move(*failed);
        } else {
            connection_ = std::get<std::unique_ptr<Connection>>(std::move(opened));
            std::lock_guard const lock{shared_->mutex};
            shared_->breaker = connection_->breaker();
        }
        outcome.took = std::chrono::duration_cast<Millis>(Clock::now() - began);
        return outcome;
    }

    Outcome execute(Job const& job) {
        if (!connection_) {
            Outcome outcome;
            outcome.fate = Fate::lost;
            outcome.message = "not connected";
            return outcome;
        }
        auto const began = Clock::now();
        if (!arm(job)) return cancelled_before_it_began();
        auto outcome = job.transaction == Transaction::implicit ? implicit(job) : standalone(job);
        outcome.took = std::chrono::duration_cast<Millis>(Clock::now() - began);
        return outcome;
    }

    bool arm(Job const& job) {
        std::lock_guard const lock{shared_->mutex};
        if (shared_->stopping || job.id <= shared_->cancel_up_to) return false;
        shared_->running = job.id;
        shared_->give_up =
            job.limits.give_up > Millis::zero() ? Clock::now() + job.limits.give_up : Clock::time_point::max();
        if (shared_->give_up < shared_->looks_at) shared_->watch.notify_all();
        return true;
    }

    /// A cancel that is on its way would hit the next statement; so it is waited for, within reason.
    void disarm() {
        std::unique_lock lock{shared_->mutex};
        shared_->running = 0;
        shared_->work.wait_for(lock, std::chrono::seconds{1}, [&] { return !shared_->sending; });
    }

    Outcome implicit(Job const& job) {
        Batch batch{sql("SET LOCAL lock_timeout = {0}", Int{job.limits.lock.count()}),
                    sql("SET LOCAL statement_timeout = {0}", Int{job.limits.statement.count()})};
        batch.insert(batch.end(), job.batch.begin(), job.batch.end());
        auto outcome = connection_->run(batch);
        disarm();
        return outcome;
    }

    Outcome standalone(Job const& job) {
        auto outcome = connection_->run({sql("SET lock_timeout = {0}", Int{job.limits.lock.count()}),
                                         sql("SET statement_timeout = {0}", Int{job.limits.statement.count()})});
        for (auto const& statement : job.batch) {
            if (outcome.fate != Fate::done) break;
            outcome = connection_->run({statement});
        }
        disarm();
        // A late cancel, or a tiny statement_timeout, may hit even this.
        for (int tries = 0; tries < 5; ++tries)
            if (connection_->run({sql("SET statement_timeout = 0"), sql("SET lock_timeout = 0")}).fate !=
                Fate::canceled)
                break;
        // What more than one statement does, it does by setting something for the next.
        for (int tries = 0; tries < 5 && job.batch.size() > 1; ++tries)
            if (connection_->settle().fate != Fate::canceled) break;
        return outcome;
    }

    std::shared_ptr<Shared> shared_;
    std::string conninfo_;
    SessionRole role_;
    std::unique_ptr<Connection> connection_;
};

}  // namespace

struct Session::World {
    boost::asio::any_io_executor home;
    std::shared_ptr<Shared> shared{std::make_shared<Shared>()};
    std::shared_ptr<bool> alive{std::make_shared<bool>(true)};  // touched on home's thread only
    ConnectionFacts facts;
    JobId last_id{};
    std::thread worker, side;

    void give(Job job) {
        job.home = boost::asio::prefer(home, boost::asio::execution::outstanding_work.tracked);
        std::lock_guard const lock{shared->mutex};
        job.id = ++last_id;
        shared->jobs.push_back(std::move(job));
        shared->work.notify_all();
    }
};

Session::Session(boost::asio::any_io_executor home, std::string conninfo, SessionRole role)
    : world_{std::make_unique<World>()} {
    world_->home = std::move(home);
    auto const deliver = [world = world_.get(), alive = world_->alive](Job job, Outcome outcome,
                                                                       ConnectionFacts facts) {
        auto const executor = job.home;
        boost::asio::post(executor, [world, alive, job = std::move(job), outcome = std::move(outcome),
                                     facts = std::move(facts)]() mutable {
            if (!*alive) return;
            if (job.connect) world->facts = std::move(facts);
            job.reply(std::move(outcome));
        });
    };
    world_->worker = std::thread{[deliver, worker = Worker{world_->shared, std::move(conninfo),
                                                           std::move(role)}]() mutable { worker(deliver); }};
    world_->side = std::thread{[shared = world_->shared] { watch(shared); }};
}

Session::~Session() {
    auto& shared = *world_->shared;
    *world_->alive = false;
    std::deque<Job> dropped;
    {
        std::unique_lock lock{shared.mutex};
        shared.stopping = true;
        shared.cancel_up_to = all_jobs;
        dropped.swap(shared.jobs);
        shared.raise_abort();
        shared.work.notify_all();
        shared.watch.notify_all();
        if (!shared.work.wait_for(lock, patience_at_end, [&] { return shared.worker_done; }) && shared.breaker)
            shared.breaker->cut();
    }
    world_->worker.join();
    world_->side.join();
}

void Session::connect(Reply reply) {
    Job job;
    job.connect = true;
    job.reply = std::move(reply);
    world_->give(std::move(job));
}

void Session::execute(Batch batch, Transaction transaction, Limits limits, Reply reply) {
    Job job;
    job.batch = std::move(batch);
    job.transaction = transaction;
    job.limits = limits;
    job.reply = std::move(reply);
    world_->give(std::move(job));
}

void Session::cancel() noexcept {
    auto& shared = *world_->shared;
    std::lock_guard const lock{shared.mutex};
    shared.cancel_up_to = std::max(shared.cancel_up_to, world_->last_id);
    shared.raise_abort();
    shared.watch.notify_all();
}

ConnectionFacts const& Session::facts() const { return world_->facts; }

}  // namespace weir
