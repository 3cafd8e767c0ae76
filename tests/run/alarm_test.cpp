#include "orchestrator/run/alarm.h"

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <optional>
#include <thread>

namespace weir {
namespace {

using Clock = std::chrono::steady_clock;

/// Both are due when the io_context comes to look, so both are in its queue before the first is called.
template <class First>
int calls_of_the_second(First const& first) {
    boost::asio::io_context io;
    std::optional<Alarm> one{std::in_place, io.get_executor()}, other{std::in_place, io.get_executor()};
    int calls = 0;
    one->in(Millis{0}, [&] { first(other, calls); });
    other->in(Millis{0}, [&] { calls += 100; });
    for (auto const until = Clock::now() + Millis{2}; Clock::now() < until;) std::this_thread::yield();
    io.run();
    return calls;
}

TEST(Alarm, RingsOnce) {
    EXPECT_EQ(calls_of_the_second([](auto&, int& calls) { ++calls; }), 101);
}

TEST(Alarm, IsSilentOnceItIsGoneCancelledOrSetAnew) {
    EXPECT_EQ(calls_of_the_second([](auto& other, int&) { other.reset(); }), 0);
    EXPECT_EQ(calls_of_the_second([](auto& other, int&) { other->cancel(); }), 0);
    EXPECT_EQ(calls_of_the_second([](auto& other, int& calls) { other->in(Millis{1}, [&] { ++calls; }); }), 1);
}

TEST(Alarm, MayBeSetAndDestroyedByItsOwnCall) {
    boost::asio::io_context io;
    std::optional<Alarm> alarm{std::in_place, io.get_executor()};
    int calls = 0;
    alarm->in(Millis{0}, [&] {
        ++calls;
        alarm->in(Millis{0}, [&] {
            alarm.reset();
            ++calls;
        });
    });
    io.run();
    EXPECT_EQ(calls, 2);
}

}  // namespace
}  // namespace weir
