#include "orchestrator/out/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

namespace weir {

Sha256::Sha256() : context_{EVP_MD_CTX_new(), &EVP_MD_CTX_free} {
    if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1)
        throw std::runtime_error{"no SHA-256 is to be had"};
}

void Sha256::add(std::string_view bytes) { EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()); }

std::string Sha256::hex() {
    std::array<unsigned char, EVP_MAX_MD_SIZE> raw{};
    unsigned size = 0;
    EVP_DigestFinal_ex(context_.get(), raw.data(), &size);
    std::string text;
    for (unsigned i = 0; i < size; ++i)
        for (unsigned const shift : {4U, 0U}) text += "0123456789abcdef"[(unsigned{raw[i]} >> shift) & 15U];
    return text;
}

}  // namespace weir
