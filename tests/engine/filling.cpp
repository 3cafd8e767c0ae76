#include "filling.h"

#include <algorithm>
#include <iostream>

namespace weir::tests {

using Clock = std::chrono::steady_clock;

namespace {

/// The table and its partitions.
std::string parts(std::string const& table) {
    return "(SELECT relid::oid FROM pg_partition_tree('" + table + "') UNION SELECT '" + table + "'::regclass::oid) p";
}

}  // namespace

std::string Happened::text(std::string const& key) const {
    auto const mark = "\"" + key + "\":\"";
    auto const at = line_.find(mark);
    if (at == std::string::npos) return "";
    std::string all;
    for (auto i = at + mark.size(); i < line_.size() && line_[i] != '"'; ++i) {
        if (line_[i] == '\\') ++i;
        all += line_[i];
    }
    return all;
}

std::int64_t Happened::number(std::string const& key) const {
    auto const mark = "\"" + key + "\":";
    auto const at = line_.find(mark);
    if (at == std::string::npos) throw std::runtime_error{"no " + key + " in " + line_};
    return std::stoll(line_.substr(at + mark.size()));
}

Story story(std::string const& out, std::string const& event) {
    Story all;
    for (std::size_t at = 0;;) {
        auto const end = out.find('\n', at);
        if (end == std::string::npos) return all;
        if (out[at] == '{') {
            Happened one{out.substr(at, end - at)};
            if (event.empty() || one.name() == event) all.push_back(std::move(one));
        }
        at = end + 1;
    }
}

Filling::~Filling() {
    if (!HasFailure() || !process_) return;
    for (auto const& one : story(process_->out()))
        if (one.name() != "batch_done") std::cout << one.line() << "\n";
    std::cout << process_->err();
}

void Filling::make(Shape const& shape) {
    sql("CREATE TABLE " + shape.name +
        " (id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, at timestamptz NOT NULL, note text) WITH (" +
        shape.with + "); INSERT INTO " + shape.name +
        " SELECT i, 'user ' || i, i || '@example.org', '2024-01-01'::timestamptz + i * interval '1 minute', "
        "repeat('x', 30) FROM generate_series(1, " +
        std::to_string(shape.rows) + ") i; CREATE INDEX ON " + shape.name + " (email); CREATE INDEX ON " + shape.name +
        " (at)");
    sql("VACUUM (ANALYZE) " + shape.name);
}

std::string Filling::add(std::string const& type, std::string const& expression, std::string_view more,
                         std::string const& name) const {
    return plan("weir: 1\nname: add-it\nexpand:\n  - add_column: { table: " + name +
                ", column: full_name, type: " + type + " }\nbackfill:\n  - fill: { table: " + name +
                ", set: { full_name: \"" + expression + "\" } }\n" + std::string{more});
}

std::int64_t Filling::size() const {
    return std::stoll(value("SELECT coalesce(sum(pg_total_relation_size(relid)), 0) FROM " + parts(table)));
}

void Filling::begin(std::string const& file, std::string const& until) {
    size_before_ = size();
    auto const now =
        sql("SELECT sum(pg_stat_get_tuples_updated(relid))::bigint, sum(pg_stat_get_tuples_hot_updated(relid))::bigint "
            "FROM " +
            parts(table));
    updates_before_ = std::stoll(now[0][0].value_or("0"));
    hot_before_ = std::stoll(now[0][1].value_or("0"));
    process_.reset();
    process_.emplace(launch({"run", file, "--until", until, "--progress", "json"}));
}

std::size_t Filling::times(std::string const& event, std::string const& part) const {
    auto const all = told_of(event);
    return static_cast<std::size_t>(
        std::count_if(all.begin(), all.end(), [&](Happened const& one) { return has(one.line(), part); }));
}

bool Filling::await(std::string const& event, std::size_t n, std::string const& part) {
    auto const there = [&] { return times(event, part) >= n; };
    return wait_until([&] { return there() || !running(); }, 40s) && there();
}

Ran const& Filling::end(std::chrono::milliseconds deadline) {
    ran = wait(*process_, deadline);
    return ran;
}

std::int64_t Filling::rows_told() const {
    std::int64_t rows = 0;
    for (auto const& one : told_of("batch_done"))
        if (!has(one.line(), "\"proof\":true")) rows += one.number("rows");
    return rows;
}

double Filling::hot_share(std::int64_t at_least) {
    std::int64_t updates = 0, hot = 0;
    EXPECT_TRUE(wait_until([&] {
        auto const now =
            sql("SELECT sum(pg_stat_get_tuples_updated(relid))::bigint, "
                "sum(pg_stat_get_tuples_hot_updated(relid))::bigint FROM " +
                parts(table));
        updates = std::stoll(now[0][0].value_or("0")) - updates_before_;
        hot = std::stoll(now[0][1].value_or("0")) - hot_before_;
        return updates >= at_least;
    })) << updates
        << " updates are known";
    return updates == 0 ? 0 : static_cast<double>(hot) / static_cast<double>(updates);
}

double Filling::growth() const { return static_cast<double>(size()) / static_cast<double>(size_before_); }

std::string Filling::ways() const {
    std::string all;
    for (auto const& one : told_of("way_changed")) all += (all.empty() ? "" : ", ") + one.text("way");
    return all;
}

std::string Filling::ledger_rows(std::string const& step) const {
    return value(
        "SELECT CASE WHEN p = n THEN 'same' ELSE p || ' in the ledger, ' || n || ' in the table' END FROM "
        "(SELECT (SELECT coalesce(sum(rows), 0) FROM weir.progress WHERE step = '" +
        step + "') AS p, (SELECT count(*) FROM users WHERE full_name IS NOT NULL) AS n) x");
}

Loop::Loop(std::string const& conninfo, std::function<std::string(long turn)> text)
    : thread_{[this, conninfo, text = std::move(text)] {
          try {
              Client client{conninfo};
              while (!stopping_) {
                  auto const began = Clock::now();
                  try {
                      client.exec(text(turns_));
                  } catch (SqlError const& error) {
                      std::lock_guard const lock{mutex_};
                      errors_ += error.sqlstate() + " " + error.what() + "\n";
                  }
                  long const took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began).count();
                  longest_ = std::max<long>(longest_, took);
                  ++turns_;
              }
          } catch (SqlError const& error) {
              std::lock_guard const lock{mutex_};
              errors_ += error.sqlstate() + " " + error.what() + "\n";
          }
      }} {}

void Loop::stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
}

std::string Loop::errors() const {
    std::lock_guard const lock{mutex_};
    return errors_;
}

bool Loop::more(long n, std::chrono::milliseconds deadline) const {
    return wait_until([this, until = turns_ + n] { return turns_ >= until; }, deadline);
}

}  // namespace weir::tests
