#include "tests/support/disk.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

#include "tests/support/process.h"

namespace weir::tests {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(int error, std::string const& what) {
    throw std::system_error{error, std::generic_category(), what};
}

/// Empty, or why not.
std::string own_view() {
    static std::string const refused = [] {
        if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
            return std::system_category().message(errno);
        return std::string{};
    }();
    return refused;
}

}  // namespace

std::variant<std::unique_ptr<SmallDisk>, std::string> SmallDisk::make(std::size_t megabytes) {
    auto const refused = [](std::string const& why) {
        return "a small disk cannot be mounted here (" + why + "): it takes root with the right to mount";
    };
    if (auto const why = own_view(); !why.empty()) return refused(why);
    std::string name = (fs::temp_directory_path() / "weir-disk-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) fail(errno, "mkdtemp");
    auto disk = std::unique_ptr<SmallDisk>{new SmallDisk{name}};
    auto const options = "mode=755,size=" + std::to_string(megabytes) + "m";
    if (mount("none", name.c_str(), "tmpfs", 0, options.c_str()) != 0)
        return refused(std::system_category().message(errno));
    return disk;
}

SmallDisk::~SmallDisk() {
    // A server may hold a file of it for a moment.
    umount2(root_.c_str(), MNT_DETACH);
    std::error_code ignored;
    fs::remove(root_, ignored);
}

void SmallDisk::take(fs::path const& folder) {
    auto const there = root_ / folder.filename();
    auto const copied =
        run({.command = {"cp", "-a", folder.string(), there.string()}, .environment = {}, .directory = {}});
    if (copied.status != 0) throw std::runtime_error{"cp: " + copied.err};
    fs::remove_all(folder);
    fs::create_directory_symlink(there, folder);
}

void SmallDisk::fill() {
    int const ballast = open((root_ / "ballast").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (ballast < 0) fail(errno, "ballast");
    off_t size = 0;
    int error = 0;
    for (;;) {
        struct statvfs now {};
        if (statvfs(root_.c_str(), &now) != 0) error = errno;
        if (error != 0 || now.f_bavail == 0) break;
        auto const room = static_cast<off_t>(now.f_bavail * now.f_frsize);
        // Others write meanwhile: what was free may be taken.
        error = posix_fallocate(ballast, size, room);
        if (error == 0) size += room;
        if (error == ENOSPC) error = 0;
    }
    close(ballast);
    if (error != 0) fail(error, "ballast");
}

void SmallDisk::empty() { fs::remove(root_ / "ballast"); }

}  // namespace weir::tests
