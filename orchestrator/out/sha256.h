#pragma once
/// The door to libcrypto.
#include <memory>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace weir {

/// Taken piece by piece. Throws std::runtime_error where libcrypto offers no SHA-256.
class Sha256 {
  public:
    Sha256();
    void add(std::string_view bytes);
    /// In hexadecimal digits. Once, at the end.
    std::string hex();

  private:
    std::unique_ptr<evp_md_ctx_st, void (*)(evp_md_ctx_st*)> context_;
};

}  // namespace weir
