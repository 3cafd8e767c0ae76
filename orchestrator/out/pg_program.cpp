#include "orchestrator/out/pg_program.h"

#include <cstdlib>

#include "orchestrator/out/process.h"
#include "plans/sql.h"

namespace weir {
namespace {

constexpr std::size_t last_words = 1000;

/// The end of a text, in whole characters.
std::string_view ending(std::string_view text, std::size_t most) {
    auto from = text.size() > most ? text.size() - most : 0;
    while (from < text.size() && (static_cast<unsigned char>(text[from]) & 0xC0U) == 0x80U) ++from;
    return text.substr(from);
}

}  // namespace

void run_program(std::vector<std::string> const& command, std::function<void(std::string_view)> const& take,
                 std::function<bool()> const& stop) {
    auto const& name = command[0];
    try {
        Child child{command, {}, Inherited::all, Child::Streams::apart};
        std::string said;
        auto const sort = [&](Child::Stream from, std::string_view bytes) {
            if (from == Child::Stream::out) return take(bytes);
            said += bytes;
            if (said.size() > 4 * last_words) said = ending(said, 2 * last_words);
        };
        std::optional<Ended> ended;
        while (child.open() || !(ended = child.ended())) {
            if (stop()) throw Canceled{};
            child.read(Child::glance, sort);
        }
        if (ended->lost != 0) throw Failed{name + " was lost: " + words_of_errno(ended->lost)};
        if (ended->good()) return;
        std::string const words{ending(harmless(said), last_words)};
        throw Failed{name + " " + ended->words(), words.empty() ? words : name + " says: " + words};
    } catch (Child::NotStarted const& not_started) {
        auto const why = words_of_errno(not_started.error);
        throw Failed{not_started.no_pipe ? "no pipe: " + why : name + " cannot be started: " + why};
    }
}

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

}  // namespace weir
