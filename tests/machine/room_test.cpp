#include "orchestrator/machine/room.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weir {
namespace {

TEST(Room, IsMissingByCodeOrByTheWordsOfAServerThatBeginsNoSession) {
    struct Case {
        std::string sqlstate, message, hint;  // no hint: there is room
    };
    for (auto const& [sqlstate, message, hint] :
         {Case{"53100", "could not extend file \"base/1/2\": No space left on device", "disk"},
          Case{"53200", "out of memory", "memory"},
          Case{"53400", "temporary file size exceeds temp_file_limit", "limit"}, Case{"53000", "", "server"},
          Case{"XX000", "could not write init file", "disk"}, Case{"XX000", "cache lookup failed for relation 1", ""},
          Case{"42501", "could not write init file", ""}, Case{"", "server closed the connection unexpectedly", ""}}) {
        Outcome outcome;
        outcome.fate = Fate::refused;
        outcome.sqlstate = sqlstate;
        outcome.said = Sealed{message};
        EXPECT_EQ(no_room(outcome), !hint.empty()) << message;
        if (no_room(outcome)) {
            EXPECT_THAT(no_room_hint(outcome, "run again"),
                        testing::AllOf(testing::HasSubstr(hint), testing::EndsWith(", and run again")));
        }
    }
}

TEST(Room, ForLocksIsNoMatterOfMemory) {
    Outcome outcome;
    outcome.fate = Fate::refused;
    outcome.sqlstate = "53200";
    outcome.message = "out of shared memory";
    outcome.more = Sealed{"the server's hint: You might need to increase max_locks_per_transaction."};
    EXPECT_THAT(no_room_hint(outcome, "run again"), testing::HasSubstr("raise max_locks_per_transaction"));
}

}  // namespace
}  // namespace weir
