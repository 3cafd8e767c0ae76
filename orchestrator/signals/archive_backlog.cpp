#include "orchestrator/signals/archive_backlog.h"

#include "orchestrator/signals/answer.h"

namespace weir {
namespace {

constexpr auto key = "archive_backlog";
constexpr auto unit = "B";

}  // namespace

Batch ArchiveBacklog::measure() const {
    // A function that weir's role may not call fails a statement even where CASE does not reach it: privileges are
    // checked before the first row. What query_to_xml() is given is looked at only when it is called.
    // Of a segment there is one file of 24 digits; timeline histories and backup labels are marked ready too.
    Value const ready{
        R"(SELECT pg_catalog.count(*) AS n FROM pg_catalog.pg_ls_archive_statusdir() AS f WHERE f.name ~ '^[0-9A-F]{24}[.]ready$')"};
    return {sql(R"(SELECT CASE WHEN pg_catalog.current_setting('archive_mode') = 'off' THEN '<n>0</n>'
            ELSE pg_catalog.query_to_xml({0}, false, true, '')::pg_catalog.text END,
       pg_catalog.pg_size_bytes(pg_catalog.current_setting('wal_segment_size')),
       CASE WHEN r.last_archived_time IS NULL OR r.last_failed_time > r.last_archived_time THEN r.last_failed_wal END
FROM pg_catalog.pg_stat_archiver AS r)",
                ready)};
}

std::vector<Reading> ArchiveBacklog::read(Outcome const& outcome, Millis /*now*/) {
    auto const* row = answer::only_row(outcome, 3);
    std::optional<std::int64_t> segments;
    if (row != nullptr && row->fields[0]) {
        auto const& xml = *row->fields[0];
        auto const begin = xml.find("<n>");
        auto const end = xml.find("</n>");
        if (begin != std::string::npos && end != std::string::npos && end > begin)
            segments = answer::integer(xml.substr(begin + 3, end - begin - 3));
    }
    auto const size = row != nullptr ? answer::integer(row->fields[1]) : std::nullopt;
    if (!segments || !size) return {answer::unread(key, unit, answer::why(outcome))};
    auto reading = answer::reading(key, unit);
    reading.value = static_cast<double>(*segments) * static_cast<double>(*size);
    if (row->fields[2] && *segments > 0) reading.remark = "archiving " + *row->fields[2] + " failed last";
    return {reading};
}

}  // namespace weir
