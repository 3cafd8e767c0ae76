#include "plans/utf8.h"

#include "plans/sql.h"

namespace weir {

std::string as_utf8(std::string_view text) {
    if (is_utf8(text)) return std::string{text};
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        auto const byte = static_cast<unsigned char>(text[i]);
        std::size_t const length = byte < 0x80 ? 1 : byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : 2;
        auto const character = text.substr(i, length);
        bool const whole = byte < 0x80 || (character.size() == length && is_utf8(character));
        out += whole ? std::string{character} : "\xEF\xBF\xBD";
        i += whole ? length : 1;
    }
    return out;
}

}  // namespace weir
