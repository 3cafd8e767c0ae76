#pragma once
/// A small disk that a test fills and empties: a tmpfs of its own, gone with the process and what it has started.
///
/// For root with the right to mount. From the first one on the test's thread, and the programs that it starts, have a
/// view of their own of what is mounted, and nobody else sees the disk.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <variant>

namespace weir::tests {

class SmallDisk {
  public:
    /// The disk, or why there is none here, for GTEST_SKIP. Make it on the thread that starts the servers.
    static std::variant<std::unique_ptr<SmallDisk>, std::string> make(std::size_t megabytes);
    ~SmallDisk();
    SmallDisk(SmallDisk const&) = delete;
    SmallDisk& operator=(SmallDisk const&) = delete;

    /// Moves a folder to the disk and leaves a link in its place. REQUIRES nobody uses it. Throws when it cannot.
    void take(std::filesystem::path const& folder);

    void fill();   ///< no block of it is free any more
    void empty();  ///< as it was before fill()

  private:
    explicit SmallDisk(std::filesystem::path root) : root_{std::move(root)} {}
    std::filesystem::path root_;
};

}  // namespace weir::tests
