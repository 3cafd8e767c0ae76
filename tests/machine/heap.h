#pragma once
/// A heap that is not there: pages with free space, pruning, tuples that grow, and a horizon that old snapshots hold.
/// It knows of PostgreSQL's heap what in-page order lives by (README.HOT): an update stays on its page (HOT) when the
/// new version finds room there; the old version's room comes back when the page is read and the transaction that
/// replaced it is older than the horizon.
#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "orchestrator/machine/in_page.h"

namespace weir {

class Heap {
  public:
    struct Shape {
        std::int64_t pages{1000};
        double rows_a_page{80};
        double free{0};  ///< share of each page
        double grows{1.2};
        bool never_hot{};
    };
    static constexpr double page_bytes = 8168;

    explicit Heap(Shape shape) : shape_{shape} {
        width_ = page_bytes * (1 - shape.free) / shape.rows_a_page;
        double owed = 0;
        for (std::int64_t i = 0; i < shape.pages; ++i) {
            owed += shape.rows_a_page;
            auto const live = static_cast<std::int64_t>(owed);
            owed -= static_cast<double>(live);
            pages_.push_back({live, std::max(page_bytes - width_ * static_cast<double>(live), 0.0), {}});
        }
    }

    /// At most `each` rows of each page; each < 0: all.
    InPageOrder::Swept update(std::int64_t from, std::int64_t to, std::int64_t each, std::int64_t horizon) {
        InPageOrder::Swept result;
        auto const xid = ++xid_;
        for (auto p = from; p < to; ++p) {
            auto& page = pages_[static_cast<std::size_t>(p)];
            std::erase_if(page.dead, [&](Dead const& d) {
                if (d.xid >= horizon) return false;
                page.room += d.bytes;
                return true;
            });
            for (auto left = each < 0 ? page.todo : std::min(each, page.todo); left > 0; --left) {
                --page.todo;
                ++result.rows;
                if (!shape_.never_hot && page.room >= width_ * shape_.grows) {
                    page.room -= width_ * shape_.grows;
                    ++result.hot;
                } else {
                    moved_ += width_ * shape_.grows;
                }
                page.dead.push_back({xid, width_});
            }
        }
        rows += result.rows;
        hot += result.hot;
        result.xid = result.rows > 0 ? xid : 0;
        result.took = Millis{1 + result.rows / 100};
        return result;
    }
    std::int64_t todo() const {
        std::int64_t n = 0;
        for (auto const& page : pages_) n += page.todo;
        return n;
    }
    double hot_share() const { return rows > 0 ? static_cast<double>(hot) / static_cast<double>(rows) : 0; }
    double growth() const { return 1 + moved_ / (page_bytes * static_cast<double>(pages_.size())); }
    std::int64_t last_xid() const { return xid_; }

    std::int64_t rows{}, hot{};

  private:
    struct Dead {
        std::int64_t xid;
        double bytes;
    };
    struct Page {
        std::int64_t todo;
        double room;
        std::vector<Dead> dead;
    };
    Shape shape_;
    double width_{}, moved_{};
    std::int64_t xid_{100};
    std::vector<Page> pages_;
};

}  // namespace weir
