#include <algorithm>
#include <charconv>

#include "plans/reader.h"
#include "plans/settings.h"

namespace weir {
namespace {

class ThrottleReader : NodeReader {
  public:
    ThrottleReader(NodeReader const& reader, Throttle& into) : NodeReader{reader}, into_{into} {}

    void read(YamlNode const& node) {
        if (node.kind == YamlKind::scalar && node.text == "none") {
            into_ = {};
            return;
        }
        if (node.kind == YamlKind::scalar) {
            say(Code::bad_value, node, "\"throttle\" cannot be " + quote(node.text),
                "write none, or a mapping such as { replication_lag: 2s }");
            return;
        }
        if (!is_mapping(node, "throttle")) return;
        auto const found = check_keys(node, keys::throttle, "throttle");
        for (auto const& signal : keys::signals)
            if (auto const* limit = found.at(signal.name)) {
                read_limit(*limit, signal);
                into_.named.emplace(signal.name);
            }
        if (auto const* list = found.at("sql")) into_.sql = read_custom(*list, "throttle.sql", keys::sql_signal);
        if (auto const* list = found.at("http")) into_.http = read_custom(*list, "throttle.http", keys::http_signal);
        if (auto const* list = found.at("prometheus"))
            into_.prometheus = read_custom(*list, "throttle.prometheus", keys::prometheus_signal);
    }

  private:
    void read_limit(YamlNode const& node, keys::Signal const& signal) {
        std::string const name{signal.name};
        auto const what = "throttle." + name;
        if (node.kind == YamlKind::scalar && node.text == "none") {
            into_.limits.erase(name);
            return;
        }
        switch (signal.measure) {
            case keys::Measure::time: {
                Millis limit{};
                keys::Bounds const bounds{Millis{static_cast<std::int64_t>(signal.least * 1000)}, std::nullopt};
                if (read_time(*this, node, what, bounds, limit))
                    into_.limits[name] = static_cast<double>(limit.count()) / 1000;
                return;
            }
            case keys::Measure::size:
            case keys::Measure::rate: {
                bool const rate = signal.measure == keys::Measure::rate;
                auto const* text = scalar(node, what, rate ? "a rate such as 50MB/s" : "a size such as 1GB");
                if (text == nullptr) return;
                std::string_view size{*text};
                bool const whole = !rate || size.ends_with("/s");
                if (rate && whole) size.remove_suffix(2);
                auto const bytes = whole ? read_size(size) : std::nullopt;
                if (!bytes)
                    say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text),
                        rate ? "write a whole number, a unit (kB, MB, GB) and /s, such as 50MB/s, or none"
                             : "write a whole number and a unit (kB, MB, GB, TB), such as 1GB, or none");
                else if (static_cast<double>(*bytes) < signal.least)
                    say(Code::bad_value, node, quote(what) + " cannot be " + *text,
                        rate ? "it must be 1kB/s or more" : "it must be 1MB or more");
                else
                    into_.limits[name] = static_cast<double>(*bytes);
                return;
            }
            case keys::Measure::count: {
                auto const* text = scalar(node, what, "a whole number");
                if (text == nullptr) return;
                std::int64_t number = 0;
                auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
                auto const least = static_cast<std::int64_t>(signal.least);
                if (error != std::errc{} || end != text->data() + text->size() || number < least)
                    say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text),
                        "write a whole number, " + std::to_string(least) + " or more, or none");
                else
                    into_.limits[name] = static_cast<double>(number);
                return;
            }
        }
    }

    std::vector<CustomSignal> read_custom(YamlNode const& node, std::string const& where, Keys known) {
        std::vector<CustomSignal> signals;
        if (node.kind != YamlKind::list) {
            if (node.kind != YamlKind::refused)
                say(Code::wrong_type, node,
                    quote(where) + " must be a list, and here stands " + std::string{kind_name(node)},
                    "write [ { name: …, … } ]");
            return signals;
        }
        if (node.items.size() > keys::custom_signals_max)
            say(Code::bad_value, node,
                quote(where) + " has more than " + std::to_string(keys::custom_signals_max) + " items",
                "let one query give the worst of several numbers");
        for (auto const& item : node.items) {
            if (!is_mapping(item, "an item of " + where)) continue;
            auto const found = check_keys(item, known, where);
            check_required(item, found, known);
            CustomSignal signal;
            if (auto const* name = found.at("name")) read_signal_name(*name, where, signals, signal);
            if (auto const* url = found.at("url")) read_url(*url, where, signal);
            if (auto const* query = found.at("query")) read_query(*query, where, signal);
            if (auto const* limit = found.at("limit")) read_number(*limit, where + ".limit", signal.limit);
            signals.push_back(std::move(signal));
        }
        return signals;
    }

    void read_signal_name(YamlNode const& node, std::string const& where, std::vector<CustomSignal> const& others,
                          CustomSignal& into) {
        auto const* text = scalar(node, where + ".name", "a text");
        if (text == nullptr) return;
        into.name = *text;
        if (!is_name(*text))
            say(Code::bad_value, node, quote(*text) + " cannot be the name of a signal",
                "a name has 1 to 60 lower-case letters, digits and hyphens");
        for (auto const& other : others)
            if (other.name == *text)
                say(Code::bad_value, node, "two items of " + quote(where) + " are called " + quote(*text),
                    "give each a name of its own");
    }

    void read_url(YamlNode const& node, std::string const& where, CustomSignal& into) {
        if (auto const* text = scalar(node, where + ".url", "an address", comma_hint)) {
            into.url = *text;
            check_url(*this, node, where + ".url", *text);
        }
    }

    void read_query(YamlNode const& node, std::string const& where, CustomSignal& into) {
        auto const* text = scalar(node, where + ".query", "a query", comma_hint);
        if (text == nullptr) return;
        into.query = *text;
        if (where == "throttle.sql")
            into.ask = read_select(*this, node, *text, "write one SELECT without a semicolon, which gives one number");
    }

    void read_number(YamlNode const& node, std::string const& what, std::optional<double>& into) {
        auto const* text = scalar(node, what, "a number");
        if (text == nullptr) return;
        double number = 0;
        auto const [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
        if (error != std::errc{} || end != text->data() + text->size() || !(number > 0) || number > 1e300)
            say(Code::bad_value, node, quote(what) + " cannot be " + quote(*text), "write a number above 0");
        else
            into = number;
    }

    Throttle& into_;
};

}  // namespace

void read_throttle(NodeReader& reader, YamlNode const& node, Throttle& into) {
    ThrottleReader{reader, into}.read(node);
}

}  // namespace weir
