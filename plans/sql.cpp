#include "plans/sql.h"

#include <stdexcept>

namespace weir {

bool is_utf8(std::string_view text) {
    auto const at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    for (std::size_t i = 0; i < text.size();) {
        unsigned char const lead = at(i);
        std::size_t const length = lead < 0x80                   ? 1
                                   : lead >= 0xC2 && lead < 0xE0 ? 2
                                   : (lead & 0xF0) == 0xE0       ? 3
                                   : lead >= 0xF0 && lead < 0xF5 ? 4
                                                                 : 0;
        if (lead == 0 || length == 0 || i + length > text.size()) return false;
        for (std::size_t k = 1; k < length; ++k)
            if ((at(i + k) & 0xC0) != 0x80) return false;
        // Overlong forms, surrogates, and beyond U+10FFFF.
        if ((lead == 0xE0 && at(i + 1) < 0xA0) || (lead == 0xED && at(i + 1) > 0x9F) ||
            (lead == 0xF0 && at(i + 1) < 0x90) || (lead == 0xF4 && at(i + 1) > 0x8F))
            return false;
        i += length;
    }
    return true;
}

std::optional<Ident> Ident::make(std::string_view name) {
    if (name.empty() || name.size() > 63 || !is_utf8(name)) return std::nullopt;
    return Ident{std::string{name}};
}

Ident Ident::of(std::string_view name) {
    auto made = make(name);
    if (!made) throw std::logic_error{"not an identifier: " + std::string{name}};
    return *std::move(made);
}

void Ident::write(std::string& out) const {
    out += '"';
    for (char const c : name_) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

void TableName::write(std::string& out) const {
    schema.write(out);
    out += '.';
    name.write(out);
}

void QualifiedName::write(std::string& out) const {
    if (schema) {
        schema->write(out);
        out += '.';
    }
    name.write(out);
}

std::string TableName::text() const {
    return schema.text() == "public" ? name.text() : schema.text() + "." + name.text();
}

void Value::write(std::string& out) const {
    if (text_.find('\0') != std::string::npos) throw std::logic_error{"a value with a NUL byte"};
    // E'' means the same whatever standard_conforming_strings says.
    if (text_.find('\\') != std::string::npos) out += 'E';
    out += '\'';
    for (char const c : text_) {
        if (c == '\'' || c == '\\') out += c;
        out += c;
    }
    out += '\'';
}

void Int::write(std::string& out) const { out += std::to_string(number_); }

void UserExpr::write(std::string& out) const { out += "(" + text_ + "\n)"; }

void TypeName::write(std::string& out) const { out += text_; }

Sql Sql::by_weir() const {
    auto same = *this;
    same.by_ = By::weir;
    return same;
}

Sql Sql::body(Sql const& inside) {
    std::string tag;
    for (int n = 0;; ++n) {
        tag = "$weir" + (n == 0 ? std::string{} : std::to_string(n));
        // The prefix alone must not occur: `$weir` at the end of the body would join with the closing tag.
        if (inside.text_.find(tag) == std::string::npos) break;
    }
    tag += '$';
    Sql made;
    made.text_ = tag + inside.text_ + tag;
    return made;
}

Sql Sql::join(std::vector<Sql> const& parts, SqlText<> separator) {
    Sql made;
    for (auto const& part : parts) {
        if (!made.text_.empty()) made.text_ += separator.text;
        made.text_ += part.text_;
    }
    return made;
}

std::string Sql::fill(std::string_view literal, std::vector<std::string> const& parts) {
    std::string text;
    for (std::size_t i = 0; i < literal.size(); ++i) {
        char const c = literal[i];
        if (c != '{' && c != '}') {
            text += c;
        } else if (i + 1 < literal.size() && literal[i + 1] == c) {
            text += c;
            ++i;
        } else {
            std::size_t index = 0;
            for (++i; literal[i] != '}'; ++i) index = index * 10 + static_cast<std::size_t>(literal[i] - '0');
            text += parts[index];
        }
    }
    return text;
}

std::string to_text(Batch const& batch) {
    std::string text;
    for (auto const& statement : batch) {
        if (!text.empty()) text += ";\n";
        text += statement.text();
    }
    return text;
}

}  // namespace weir
