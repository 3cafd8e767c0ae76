#include "orchestrator/postgres/ear.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <optional>
#include <thread>
#include <utility>

#include "orchestrator/postgres/connection.h"

namespace weir {

namespace asio = boost::asio;

struct Ear::World {
    asio::any_io_executor home;
    std::string conninfo;
    SessionRole role;
    Woken woken;
    Lost lost;
    std::shared_ptr<bool> alive{std::make_shared<bool>(true)};  // touched on home's thread only
    int abort_fd{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};

    asio::io_context io{1};
    asio::executor_work_guard<asio::io_context::executor_type> work{io.get_executor()};
    std::unique_ptr<Connection> connection;  // this and the next are the thread's alone
    std::optional<asio::posix::stream_descriptor> descriptor;
    std::thread thread;

    World() = default;
    ~World() { ::close(abort_fd); }
    World(World const&) = delete;
    World& operator=(World const&) = delete;

    template <class Call>
    void tell(Call call) {
        asio::post(home, [alive = alive, call = std::move(call)]() mutable {
            if (*alive) call();
        });
    }

    Outcome open() {
        descriptor.reset();
        connection.reset();
        auto opened = Connection::open(conninfo, role, abort_fd);
        if (auto* failed = std::get_if<Outcome>(&opened)) return std::move(*failed);
        connection = std::get<std::unique_ptr<Connection>>(std::move(opened));
        auto outcome = connection->run({sql("LISTEN weir")});
        if (outcome.fate != Fate::done) return outcome;
        // A dup, or Asio would close libpq's socket.
        descriptor.emplace(io, ::dup(connection->socket()));
        wait();
        return outcome;
    }

    void wait() {
        descriptor->async_wait(
            asio::posix::stream_descriptor::wait_read, [this](boost::system::error_code const& error) {
                if (error == asio::error::operation_aborted) return;
                auto const count = connection->notifications();
                if (!count) {
                    tell([this, words = connection->last_words()]() mutable { lost(std::move(words)); });
                    descriptor.reset();
                    connection.reset();
                    return;
                }
                if (*count > 0) tell([this] { woken(); });
                wait();
            });
    }
};

Ear::Ear(asio::any_io_executor home, std::string conninfo, std::string application_name, Woken woken, Lost lost)
    : world_{std::make_unique<World>()} {
    world_->home = std::move(home);
    world_->conninfo = std::move(conninfo);
    world_->role.application_name = std::move(application_name);
    world_->woken = std::move(woken);
    world_->lost = std::move(lost);
    world_->thread = std::thread{[world = world_.get()] { world->io.run(); }};
}

Ear::~Ear() {
    *world_->alive = false;
    (void)::eventfd_write(world_->abort_fd, 1);
    asio::post(world_->io, [world = world_.get()] {
        world->descriptor.reset();
        world->connection.reset();
        world->io.stop();
    });
    world_->thread.join();
}

void Ear::listen(Reply reply) {
    // Counts as work: `home` does not run dry while the reply is due.
    asio::any_io_executor const waiting = asio::prefer(world_->home, asio::execution::outstanding_work.tracked);
    asio::post(world_->io, [world = world_.get(), waiting, reply = std::move(reply)]() mutable {
        auto outcome = world->open();
        asio::post(waiting, [alive = world->alive, reply = std::move(reply), outcome = std::move(outcome)]() mutable {
            if (*alive) reply(std::move(outcome));
        });
    });
}

}  // namespace weir
