# page.html with style.css and script.js in it, as C++ source: cmake -DFROM=folder -DTO=file -P embed.cmake
# file(READ) keeps semicolons and brackets as long as the text is never treated as a list: hence the quotes.

# Base64 of the SHA-256, as a Content-Security-Policy names what it allows.
function(policy_hash text result)
  set(alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${text}")
  string(APPEND hex 00) # 33 bytes, eleven groups of three; what stands for the last one becomes the padding
  set(base64 "")
  foreach(group RANGE 10)
    math(EXPR start "${group} * 6")
    string(SUBSTRING ${hex} ${start} 6 digits)
    foreach(shift IN ITEMS 18 12 6 0)
      math(EXPR index "(0x${digits} >> ${shift}) & 63")
      string(SUBSTRING ${alphabet} ${index} 1 letter)
      string(APPEND base64 ${letter})
    endforeach()
  endforeach()
  string(SUBSTRING ${base64} 0 43 base64)
  set(${result} "sha256-${base64}=" PARENT_SCOPE)
endfunction()

file(READ ${FROM}/page.html page)
file(READ ${FROM}/style.css style)
file(READ ${FROM}/script.js script)
# What is hashed is what stands between the tags.
set(style "\n${style}")
set(script "\n${script}")
policy_hash("${style}" style_hash)
policy_hash("${script}" script_hash)
string(REPLACE "<style></style>" "<style>${style}</style>" page "${page}")
string(REPLACE "<script></script>" "<script>${script}</script>" page "${page}")

set(policy "default-src 'none'; script-src '${script_hash}'; style-src '${style_hash}'; img-src data:; ")
string(APPEND policy "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")

file(WRITE ${TO}.new "#include \"metrics/dashboard.h\"

namespace weir {

Dashboard dashboard() {
    using namespace std::string_view_literals;
    return {R\"=====(${page})=====\"sv, \"${policy}\"};
}

}  // namespace weir
")
file(RENAME ${TO}.new ${TO})
