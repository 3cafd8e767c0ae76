#include "tests/support/clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace weir::tests {

SteppedClock::SteppedClock() : file_{(std::filesystem::temp_directory_path() / "weir-clock-XXXXXX").string()} {
    int const made = mkstemp(file_.data());
    // Servers run as another user.
    bool const ready = made >= 0 && fchmod(made, 0644) == 0 && ftruncate(made, sizeof *step_) == 0;
    void* const shared = ready ? mmap(nullptr, sizeof *step_, PROT_READ | PROT_WRITE, MAP_SHARED, made, 0) : MAP_FAILED;
    int const error = errno;
    if (made >= 0) close(made);
    if (shared == MAP_FAILED) throw std::system_error{error, std::generic_category(), file_};
    step_ = static_cast<std::int64_t*>(shared);
}

SteppedClock::~SteppedClock() {
    munmap(step_, sizeof *step_);
    unlink(file_.c_str());
}

std::map<std::string, std::string> SteppedClock::environment() const {
    return {{"LD_PRELOAD", WEIR_CLOCK_SHIM}, {"WEIR_CLOCK", file_}};
}

void SteppedClock::set(std::int64_t ahead) { __atomic_store_n(step_, ahead, __ATOMIC_SEQ_CST); }
std::int64_t SteppedClock::ahead() const { return __atomic_load_n(step_, __ATOMIC_SEQ_CST); }

}  // namespace weir::tests
