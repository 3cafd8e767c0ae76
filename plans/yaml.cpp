#include "plans/yaml.h"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <initializer_list>
#include <map>
#include <sstream>
#include <stdexcept>

#include "plans/sql.h"

namespace weir {
namespace {

constexpr std::size_t depth_max = 20;
// Nobody reads more of them, and a hostile file could hold a million.
constexpr std::size_t problems_max = 100;

/// Ends the parse; the Problem is in the document already.
struct Enough : std::runtime_error {
    Enough() : std::runtime_error{"enough"} {}
};

class Source {
  public:
    explicit Source(std::string_view text) : text_{text} {
        starts_.push_back(0);
        for (std::size_t i = 0; i < text.size(); ++i)
            if (text[i] == '\n') starts_.push_back(i + 1);
    }

    /// The byte that a mark of yaml-cpp means; it counts bytes from 0, without a byte order mark at the beginning.
    std::size_t offset(int line, int column) const {
        if (line < 0 || static_cast<std::size_t>(line) >= starts_.size()) return text_.size();
        std::size_t const skipped = line == 0 && text_.starts_with("\xEF\xBB\xBF") ? 3 : 0;
        return std::min(starts_[static_cast<std::size_t>(line)] + skipped + static_cast<std::size_t>(column),
                        text_.size());
    }
    std::string_view from(YAML::Mark const& mark) const { return text_.substr(offset(mark.line, mark.column)); }

  private:
    std::string_view text_;
    std::vector<std::size_t> starts_;
};

/// yaml-cpp accepts a quoted scalar that the end of the file cuts off.
bool is_closed(std::string_view text) {
    char const quote = text.front();
    for (std::size_t i = 1; i < text.size(); ++i) {
        if (quote == '"' && text[i] == '\\')
            ++i;
        else if (quote == '\'' && text.substr(i, 2) == "''")
            ++i;
        else if (text[i] == quote)
            return true;
    }
    return false;
}

class Builder : public YAML::EventHandler {
  public:
    Builder(std::string_view text, std::string const& file, Problems& problems)
        : source_{text}, file_{file}, problems_{problems} {}

    std::optional<YamlNode> root;

    void OnDocumentStart(YAML::Mark const& mark) override {
        if (++documents_ == 1) return;
        // A stray line after the end of the top mapping is a document of its own for yaml-cpp.
        auto const rest = source_.from(mark);
        if (rest.substr(0, 3) == "---" || after_end(mark))
            stop(mark, "a second document begins here", "one file holds one plan");
        stop(mark, "this line does not belong to what stands before it", "check the indentation");
    }
    void OnDocumentEnd() override {}

    void OnNull(YAML::Mark const& mark, YAML::anchor_t anchor) override {
        YamlNode node;
        node.kind = YamlKind::null;
        node.place = place(mark);
        // The mark of a value that is not written is where the next thing begins.
        if (auto const* key = open_key(); key != nullptr && key->place.line != node.place.line) node.place = key->place;
        refuse_properties(node, mark, "", anchor);
        add(std::move(node), mark);
    }
    void OnAlias(YAML::Mark const& mark, YAML::anchor_t) override {
        YamlNode node;
        node.kind = YamlKind::refused;
        node.place = place(mark);
        say(mark, "an alias cannot stand in a plan", "write the value itself");
        add(std::move(node), mark);
    }
    void OnScalar(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor,
                  std::string const& value) override {
        YamlNode node;
        node.kind = YamlKind::scalar;
        node.place = place(mark);
        node.text = value;
        node.quoted = tag == "!";
        node.in_flow = !open_.empty() && open_.back().flow;
        auto const rest = source_.from(mark);
        if (!rest.empty() && (rest.front() == '"' || rest.front() == '\'') && !is_closed(rest))
            stop(mark, "the quote that opens here is never closed", "");
        if (value.find('\0') != std::string::npos || !is_utf8(value)) {
            say(mark, "a text with a NUL or with half a character cannot stand in a plan", "");
            node.kind = YamlKind::refused;
        }
        refuse_properties(node, mark, tag, anchor);
        add(std::move(node), mark);
    }
    void OnSequenceStart(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value style) override {
        open(mark, tag, anchor, YamlKind::list, style);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value style) override {
        open(mark, tag, anchor, YamlKind::mapping, style);
    }
    void OnMapEnd() override { close(); }

    Place place(YAML::Mark const& mark) const {
        if (mark.is_null()) return {file_, 0, 0};
        return {file_, mark.line + 1, mark.column + 1};
    }

  private:
    struct Open {
        YamlNode node;
        bool flow{};
        std::optional<YamlNode> key;  ///< of a mapping: read, and its value is not
        bool is_key{};                ///< this collection stands where a key should
        std::map<std::string, Place, std::less<>> keys;
    };

    void say(Problem problem) {
        problems_.push_back(std::move(problem));
        if (problems_.size() >= problems_max) throw Enough{};
    }
    void say(YAML::Mark const& mark, std::string message, std::string hint) {
        say({Code::bad_yaml, place(mark), std::move(message), std::move(hint)});
    }
    [[noreturn]] void stop(YAML::Mark const& mark, std::string message, std::string hint) {
        say(mark, std::move(message), std::move(hint));
        throw Enough{};
    }

    bool after_end(YAML::Mark const& mark) const {
        for (int line = mark.line; line > 0; --line) {
            auto const text = source_.from(line_start(line - 1));
            if (text.substr(0, 3) == "..." || text.substr(0, 3) == "---") return true;
            auto const word = text.find_first_not_of(" \t\r\n");
            if (word != std::string_view::npos && text[word] != '#' && word < text.find('\n')) return false;
        }
        return false;
    }
    static YAML::Mark line_start(int line) {
        YAML::Mark mark;
        mark.line = line;
        return mark;
    }

    YamlNode const* open_key() const { return !open_.empty() && open_.back().key ? &*open_.back().key : nullptr; }

    /// Quoted scalars have the tag `!` and all else has `?`, and so a `!` in the file tells a written one.
    void refuse_properties(YamlNode& node, YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor) {
        auto const rest = source_.from(mark);
        char const first = rest.empty() ? '\0' : rest.front();
        if (anchor != 0) {
            say(mark, "an anchor cannot stand in a plan", "write the value wherever it is needed");
            node.kind = YamlKind::refused;
        }
        if ((!tag.empty() && tag != "?" && tag != "!") || (tag == "!" && first == '!')) {
            say(mark, "a tag cannot stand in a plan", "remove it");
            node.kind = YamlKind::refused;
        }
    }

    void open(YAML::Mark const& mark, std::string const& tag, YAML::anchor_t anchor, YamlKind kind,
              YAML::EmitterStyle::value style) {
        if (open_.size() >= depth_max) stop(mark, "nested deeper than " + std::to_string(depth_max) + " levels", "");
        Open opened;
        opened.flow = style == YAML::EmitterStyle::Flow;
        opened.node.kind = kind;
        opened.node.place = place(mark);
        refuse_properties(opened.node, mark, tag, anchor);
        opened.is_key = !open_.empty() && expects_key(open_.back());
        if (opened.is_key) say(mark, "a key must be a word, not a list or a mapping", "");
        // A refused collection is still read to its end as what it is.
        if (opened.node.kind == YamlKind::refused) {
            refused_.push_back(open_.size());
            opened.node.kind = kind;
        }
        open_.push_back(std::move(opened));
    }

    void close() {
        auto done = std::move(open_.back());
        open_.pop_back();
        if (!refused_.empty() && refused_.back() == open_.size()) {
            refused_.pop_back();
            done.node.kind = YamlKind::refused;
        }
        YAML::Mark mark;
        mark.line = done.node.place.line - 1;
        mark.column = done.node.place.column - 1;
        if (done.is_key) done.node.kind = YamlKind::refused;
        add(std::move(done.node), mark);
    }

    static bool expects_key(Open const& in) { return in.node.kind == YamlKind::mapping && !in.key; }

    void add(YamlNode node, YAML::Mark const& mark) {
        if (open_.empty()) {
            root = std::move(node);
            return;
        }
        auto& in = open_.back();
        if (in.node.kind == YamlKind::list) {
            in.node.items.push_back(std::move(node));
        } else if (!in.key) {
            if (node.kind == YamlKind::null) {
                say(mark, "a key is missing here", "");
                node.kind = YamlKind::refused;
            }
            in.key = std::move(node);
        } else {
            auto key = *std::move(in.key);
            in.key.reset();
            if (key.kind != YamlKind::scalar) return;
            auto const [known, fresh] = in.keys.emplace(key.text, key.place);
            if (!fresh) {
                say({Code::duplicate_key, key.place, "\"" + key.text + "\" stands here a second time",
                     "the first one is in line " + std::to_string(known->second.line)});
                return;
            }
            in.node.members.push_back({std::move(key), std::move(node)});
        }
    }

    Source source_;
    std::string const& file_;
    Problems& problems_;
    std::vector<Open> open_;
    std::vector<std::size_t> refused_;
    int documents_{};
};

/// YAML allows few control characters, yaml-cpp allows all, and one of them is its own mark for the end of the file.
std::optional<Problem> control_character(std::string_view text, std::string const& file) {
    Place place{file, 1, 1};
    for (std::size_t i = 0; i < text.size(); ++i) {
        auto const c = static_cast<unsigned char>(text[i]);
        bool const lone_return = c == '\r' && text.substr(i, 2) != "\r\n";
        if (lone_return)
            return Problem{Code::bad_yaml, place, "a carriage return without a line feed",
                           "save the file with Unix line ends"};
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
            return Problem{Code::bad_yaml, place, "a control character (byte " + std::to_string(c) + ")", "remove it"};
        if (c == '\n') {
            ++place.line;
            place.column = 1;
        } else if ((c & 0xC0) != 0x80) {
            ++place.column;
        }
    }
    return std::nullopt;
}

}  // namespace

YamlDocument read_yaml(std::string_view text, std::string const& file) {
    YamlDocument document;
    constexpr std::string_view byte_order_mark{"\xEF\xBB\xBF"};
    if (text.substr(0, byte_order_mark.size()) == byte_order_mark) text.remove_prefix(byte_order_mark.size());
    if (auto problem = control_character(text, file)) {
        document.problems.push_back(*std::move(problem));
        return document;
    }
    Builder builder{text, file, document.problems};
    try {
        std::istringstream stream{std::string{text}};
        YAML::Parser parser{stream};
        while (parser.HandleNextDocument(builder)) {
        }
        document.root = std::move(builder.root);
    } catch (Enough const&) {
        document.root.reset();
    } catch (YAML::Exception const& e) {
        if (e.msg.rfind(YAML::ErrorMsg::UNKNOWN_ANCHOR, 0) == 0) {
            document.problems.push_back({Code::bad_yaml, builder.place(e.mark), "an alias cannot stand in a plan",
                                         "write the value itself; a text that begins with * needs quotes"});
            return document;
        }
        std::string hint;
        auto const is = [&](std::initializer_list<std::string_view> messages) {
            return std::find(messages.begin(), messages.end(), e.msg) != messages.end();
        };
        using namespace YAML::ErrorMsg;
        if (is({BLOCK_ENTRY, MAP_VALUE, MAP_KEY, END_OF_MAP, END_OF_SEQ, TAB_IN_INDENTATION}))
            hint = "check the indentation (spaces, no tabs), and put a value that holds `: ` in quotes";
        else if (is({END_OF_MAP_FLOW, END_OF_SEQ_FLOW, FLOW_END}))
            hint = "close each { and [; inside them put a value that holds a comma or a quote in quotes";
        document.problems.push_back({Code::bad_yaml, builder.place(e.mark), "not well-formed YAML: " + e.msg, hint});
    } catch (std::runtime_error const& e) {
        document.problems.push_back(
            {Code::bad_yaml, {file, 0, 0}, std::string{"not well-formed YAML: "} + e.what(), ""});
    }
    return document;
}

}  // namespace weir
