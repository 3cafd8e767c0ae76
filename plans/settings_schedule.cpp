#include <algorithm>
#include <chrono>

#include "plans/settings.h"

namespace weir {
namespace {

class ScheduleReader : NodeReader {
  public:
    ScheduleReader(NodeReader const& reader, Schedule& into) : NodeReader{reader}, into_{into} {}

    void read(YamlNode const& node) {
        if (!is_mapping(node, "schedule")) return;
        auto const found = check_keys(node, keys::schedule, "schedule");
        if (auto const* zone = found.at("timezone")) read_zone(*zone, "schedule.timezone", into_.zone);
        if (auto const* at = found.at("at")) read_at(*at);
        auto const* window = found.at("window");
        if (window == nullptr) {
            if (!found.stands("window") && !found.stands("at") && node.members.size() == found.members.size())
                say(Code::missing_key, node, "\"schedule\" says no time", "give `window`, or `at`");
        } else if (window->kind == YamlKind::list) {
            for (auto const& item : window->items) read_window(item);
            if (window->items.empty())
                say(Code::bad_value, *window, "\"schedule.window\" is an empty list",
                    "remove the key: without it the backfill works at any time");
        } else {
            read_window(*window);
        }
    }

  private:
    void read_window(YamlNode const& node) {
        if (!is_mapping(node, "schedule.window")) return;
        auto const found = check_keys(node, keys::window, "schedule.window");
        check_required(node, found, keys::window);
        Window window;
        window.zone = into_.zone;
        if (auto const* days = found.at("days")) read_days(*days, window);
        if (auto const* zone = found.at("timezone")) read_zone(*zone, "schedule.window.timezone", window.zone);
        auto const* from = found.at("from");
        auto const* to = found.at("to");
        bool const begins = from != nullptr && read_clock(*from, "schedule.window.from", "23:59", window.from);
        bool const ends = to != nullptr && read_clock(*to, "schedule.window.to", "24:00", window.to);
        if (begins && ends && window.from == window.to)
            say(Code::bad_value, *to, "a window cannot begin and end at " + quote(to->text),
                "for whole days write from: \"00:00\" and to: \"24:00\"");
        into_.windows.push_back(std::move(window));
    }

    void read_days(YamlNode const& node, Window& window) {
        std::vector<YamlNode> const one{node};
        auto const& items = node.kind == YamlKind::list ? node.items : one;
        window.days = 0;
        for (auto const& item : items) {
            auto const* text =
                scalar(item, "schedule.window.days", "a day, a range such as mon-fri, or a list of them");
            if (text == nullptr) continue;
            auto const dash = text->find('-');
            auto const first = read_day(item, std::string_view{*text}.substr(0, dash));
            auto const last =
                dash == std::string::npos ? first : read_day(item, std::string_view{*text}.substr(dash + 1));
            if (!first || !last) continue;
            for (auto day = *first;; day = (day + 1) % keys::days.size()) {
                window.days = static_cast<std::uint8_t>(window.days | (1U << day));
                if (day == *last) break;
            }
        }
        if (node.kind == YamlKind::list && items.empty())
            say(Code::bad_value, node, "\"schedule.window.days\" is an empty list",
                "remove the key: without it the window is open every day");
    }

    std::optional<std::size_t> read_day(YamlNode const& node, std::string_view word) {
        auto const found = std::find(keys::days.begin(), keys::days.end(), word);
        if (found != keys::days.end()) return static_cast<std::size_t>(found - keys::days.begin());
        say(Code::bad_value, node, "\"schedule.window.days\" cannot have " + quote(word),
            "write " + list({keys::days.begin(), keys::days.end()}) + ", or a range such as mon-fri");
        return std::nullopt;
    }

    /// `01:00`.
    static std::optional<std::chrono::minutes> clock(std::string_view text) {
        auto const hour = digits(text, 0, 2);
        auto const minute = digits(text, 3, 2);
        if (text.size() != 5 || text[2] != ':' || !hour || !minute || *minute > 59) return std::nullopt;
        return std::chrono::minutes{*hour * 60 + *minute};
    }

    static std::optional<int> digits(std::string_view text, std::size_t from, std::size_t count) {
        if (text.size() < from + count) return std::nullopt;
        int number = 0;
        for (char const c : text.substr(from, count)) {
            if (c < '0' || c > '9') return std::nullopt;
            number = number * 10 + (c - '0');
        }
        return number;
    }

    bool read_clock(YamlNode const& node, std::string_view what, std::string_view most, std::chrono::minutes& into) {
        auto const* text = scalar(node, what, "a time of the day such as \"01:00\"");
        if (text == nullptr) return false;
        auto const time = clock(*text);
        if (!time || *time > *clock(most)) {
            say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text),
                "write hours and minutes, from \"00:00\" to " + quote(most));
            return false;
        }
        into = *time;
        return true;
    }

    void read_at(YamlNode const& node) {
        auto const* text = scalar(node, "schedule.at", "a date and a time such as \"2026-12-01 01:00\"");
        if (text == nullptr) return;
        auto const year = digits(*text, 0, 4);
        auto const month = digits(*text, 5, 2);
        auto const day = digits(*text, 8, 2);
        bool const shaped = text->size() == 16 && (*text)[4] == '-' && (*text)[7] == '-' && (*text)[10] == ' ';
        auto const time = shaped ? clock(std::string_view{*text}.substr(11)) : std::nullopt;
        if (shaped && year && month && day && time && *time <= *clock("23:59")) {
            std::chrono::year_month_day const date{std::chrono::year{*year},
                                                   std::chrono::month{static_cast<unsigned>(*month)},
                                                   std::chrono::day{static_cast<unsigned>(*day)}};
            if (date.ok()) {
                into_.at = into_.zone.first(std::chrono::local_days{date} + *time);
                return;
            }
        }
        say(Code::bad_value, node, "\"schedule.at\" cannot be " + quote(*text),
            "write a date and a time that exist, such as \"2026-12-01 01:00\"");
    }

    void read_zone(YamlNode const& node, std::string_view what, Zone& into) {
        auto const* text = scalar(node, what, "the name of a time zone such as Europe/Berlin");
        if (text == nullptr) return;
        if (auto zone = Zone::of(*text)) {
            into = *std::move(zone);
            return;
        }
        auto const names = zone_names();
        if (!names.empty()) {
            auto const meant_zone = nearest_zone(*text, names);
            say(Code::bad_value, node, "there is no time zone " + quote(*text),
                meant_zone.empty() ? "write an IANA name such as Europe/Berlin"
                                   : "did you mean " + quote(meant_zone) + "?");
        } else if (!std::exchange(zones_missing_told_, true)) {
            say(Code::bad_value, node,
                "the time zone " + quote(*text) + " cannot be looked up: this machine has no time zones",
                "install the package tzdata, or write the times in UTC");
        }
    }

    static std::string nearest_zone(std::string_view word, std::vector<std::string> const& names) {
        for (auto const& name : names)
            if (!word.empty() && name.ends_with("/" + std::string{word})) return name;
        // Abbreviations are near to each other and mean other times.
        if (word.size() < 5) return {};
        return nearest(word, {names.begin(), names.end()});
    }

    Schedule& into_;
    bool zones_missing_told_{};
};

}  // namespace

void read_schedule(NodeReader& reader, YamlNode const& node, Schedule& into) {
    ScheduleReader{reader, into}.read(node);
}

}  // namespace weir
