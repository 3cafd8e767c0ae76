#include "orchestrator/machine/worker_pool.h"

#include <algorithm>
#include <cmath>

namespace weir {
namespace {

/// Beyond this a commit is slower than `before`: half as much again, and more than the noise of a disk.
bool slower(double now, double before) { return now > std::max(before * 1.5, before + 5); }

std::string rounded(double number) { return std::to_string(std::llround(number)); }

}  // namespace

bool WorkerPool::commit_due(Millis now) const {
    return !fixed_ && (!last_commit_ || now - *last_commit_ >= commit_every);
}

void WorkerPool::committed(Millis now, Millis took) {
    last_commit_ = now;
    if (began_) commits_.push_back(static_cast<double>(took.count()));
}

void WorkerPool::wrote(Millis now, std::int64_t rows) {
    if (fixed_ || (settled_ && now < *settled_)) return;
    if (!began_) {
        began_ = now;
        rows_ = 0;
        commits_.clear();
        return;
    }
    rows_ += rows;
}

void WorkerPool::interrupted() { restart(); }

void WorkerPool::resize(int size, Millis now) {
    size_ = size;
    settled_ = now + settling;
    restart();
}

std::optional<std::string> WorkerPool::judge(Millis now) {
    if (fixed_ || !began_ || now - *began_ < window || commits_.empty()) return std::nullopt;
    auto const middle = commits_.begin() + static_cast<std::ptrdiff_t>(commits_.size() / 2);
    std::nth_element(commits_.begin(), middle, commits_.end());
    Figures const seen{static_cast<double>(rows_) * 1000 / static_cast<double>((now - *began_).count()), *middle};
    restart();
    if (size_ == 1) calm_ = calm_ ? std::min(*calm_, seen.commit) : seen.commit;
    if (before_) {
        auto const was = *before_;
        before_.reset();
        auto const rates = rounded(was.rate) + " to " + rounded(seen.rate) + " rows/s";
        auto const commits = rounded(was.commit) + " to " + rounded(seen.commit) + " ms";
        bool const slow = slower(seen.commit, was.commit);
        if (!slow && seen.rate >= was.rate * gain) {
            pause_ = first_pause;
            return "one more raised the rate from " + rates;
        }
        resize(size_ - 1, now);
        not_before_ = now + pause_;
        pause_ = std::min(pause_ * 2, longest_pause);
        return slow ? "with one more a commit went from " + commits : "one more did not pay: " + rates;
    }
    if (size_ > 1 && calm_ && slower(seen.commit, *calm_)) {
        resize(size_ - 1, now);
        not_before_ = now + pause_;
        pause_ = std::min(pause_ * 2, longest_pause);
        return "a commit takes " + rounded(seen.commit) + " ms, and " + rounded(*calm_) + " ms with one worker";
    }
    if (size_ == most_ || seen.rate <= 0 || (not_before_ && now < *not_before_)) return std::nullopt;
    before_ = seen;
    resize(size_ + 1, now);
    return "one more is tried";
}

}  // namespace weir
