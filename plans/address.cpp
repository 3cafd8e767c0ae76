#include "plans/address.h"

#include <algorithm>
#include <string>

namespace weir {
namespace {

bool is_secret(std::string_view keyword) { return keyword == "password" || keyword == "sslpassword"; }

bool is_keyword(std::string_view word) {
    return !word.empty() &&
           std::all_of(word.begin(), word.end(), [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; });
}

bool is_plain(std::string_view text) {
    return std::all_of(text.begin(), text.end(),
                       [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
}

/// What stands after `postgresql://`.
Address read_url(std::string_view rest) {
    auto const question = rest.find('?');
    auto const before = rest.substr(0, question);
    auto const colon_before = [](std::string_view part, std::size_t at) {
        return at != std::string_view::npos && part.substr(0, at).find(':') != std::string_view::npos;
    };
    // libpq looks for the end of the user up to the first slash, whatever else stands there; people forget to encode
    // the slash, too.
    auto const authority = rest.substr(0, rest.find('/'));
    if (colon_before(authority, authority.find('@')) || colon_before(before, before.rfind('@')))
        return Address::password;
    if (question == std::string_view::npos) return Address::good;
    for (auto query = rest.substr(question + 1); !query.empty();) {
        auto const end = std::min(query.find('&'), query.size());
        auto const keyword = query.substr(0, std::min(query.find('='), end));
        query.remove_prefix(std::min(end + 1, query.size()));
        if (is_secret(keyword)) return Address::password;
        // libpq decodes %70assword.
        if (!is_keyword(keyword)) return Address::unreadable;
    }
    return Address::good;
}

Address read_keywords(std::string_view text) {
    auto const skip = [&] { text.remove_prefix(std::min(text.find_first_not_of(' '), text.size())); };
    for (skip(); !text.empty(); skip()) {
        auto const keyword = text.substr(0, text.find_first_of(" ="));
        text.remove_prefix(keyword.size());
        skip();
        if (!is_keyword(keyword) || text.empty() || text.front() != '=') return Address::unreadable;
        if (is_secret(keyword)) return Address::password;
        text.remove_prefix(1);
        skip();
        bool const quoted = !text.empty() && text.front() == '\'';
        std::size_t i = quoted ? 1 : 0;
        for (; i < text.size() && text[i] != (quoted ? '\'' : ' '); ++i)
            if (text[i] == '\\' && ++i >= text.size()) return Address::unreadable;
        if (quoted && i >= text.size()) return Address::unreadable;
        text.remove_prefix(quoted ? i + 1 : i);
    }
    return Address::good;
}

}  // namespace

Address read_address(std::string_view text) {
    if (text.find_first_not_of(' ') == std::string_view::npos || !is_plain(text)) return Address::unreadable;
    for (std::string_view const scheme : {"postgresql://", "postgres://"})
        if (text.starts_with(scheme)) return read_url(text.substr(scheme.size()));
    return read_keywords(text);
}

}  // namespace weir
