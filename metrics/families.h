#pragma once
/// The families of series that /metrics shows, in their order: names and help, as docs/metrics.md lists them. What is
/// in them is set by instruments.cpp.
#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

namespace weir {

struct Families {
    using Gauges = prometheus::Family<prometheus::Gauge>;
    using Counters = prometheus::Family<prometheus::Counter>;
    using Histograms = prometheus::Family<prometheus::Histogram>;

    prometheus::Registry registry;
    Gauges& run_phase = gauge("weir_run_phase", "1 for the phase that the run is in, 0 for the others.");
    Gauges& run_state = gauge("weir_run_state", "1 for the state that the run is in, 0 for the others.");
    Gauges& rows_done = gauge("weir_rows_done", "Rows written by the fill, or looked at by the proof.");
    Gauges& rows_estimate = gauge("weir_rows_estimate", "Rows of the table by the server's estimate.");
    Gauges& pages_done = gauge("weir_pages_done", "Pages of the table that are done.");
    Gauges& pages_total = gauge("weir_pages", "Pages of the table to look at in all.");
    Gauges& progress_ratio = gauge("weir_progress_ratio", "Share of the pages that is done, 0 to 1.");
    Gauges& eta = gauge("weir_eta_seconds", "Time left by the rate of the last minute; absent when not known.");
    Gauges& eta_low = gauge("weir_eta_low_seconds", "The short end of weir_eta_seconds; absent when not known.");
    Gauges& eta_high = gauge("weir_eta_high_seconds", "The long end of weir_eta_seconds; absent when not known.");
    Gauges& signal_value = gauge("weir_signal_value", "A signal's last value, in its own unit.");
    Gauges& signal_limit = gauge("weir_signal_limit", "The limit of a signal, in its own unit.");
    Gauges& signal_load = gauge("weir_signal_load_ratio", "A signal's value by its limit: 1 is at the limit.");
    Gauges& hot_ratio =
        gauge("weir_hot_ratio", "Share of the rows written whose new version stayed on its page, 0 to 1.");
    Gauges& fill_way = gauge("weir_fill_way", "1 for the way in which the table is filled, 0 for the other.");
    Gauges& workers = gauge("weir_workers", "Batches that run at a time; absent when not known.");
    Counters& vacuums = counter("weir_vacuums_total", "VACUUMs that the fill ran.");
    Counters& vacuum_seconds = counter("weir_vacuum_seconds_total", "Time of the VACUUMs that the fill ran.");
    Gauges& table_bytes = gauge("weir_table_bytes", "Heap, indexes and TOAST of the table.");
    Gauges& table_growth =
        gauge("weir_table_growth_ratio", "weir_table_bytes by what it was when this process looked first.");
    Gauges& dead_rows = gauge("weir_dead_rows", "Dead rows of the table by the server's statistics.");
    Histograms& batch_duration = histogram("weir_batch_duration_seconds", "Time of one batch.");
    Histograms& batch_size = histogram("weir_batch_rows", "Rows of one batch.");
    Counters& batch_retries = counter("weir_batch_retries_total", "Batches rolled back and tried again.");
    Gauges& pace = gauge("weir_pace_ratio", "1: unhindered, 0: held.");
    Gauges& throttle_active = gauge("weir_throttle_active", "1 while this reason holds the run back or slows it.");
    Counters& throttle_seconds =
        counter("weir_throttle_seconds_total", "Time for which this reason held the run back or slowed it.");
    Gauges& lag_seconds = gauge("weir_replica_lag_seconds", "Lag of the replica; absent when not known.");
    Gauges& lag_bytes = gauge("weir_replica_lag_bytes", "WAL that the replica has to replay.");
    Gauges& lag_known = gauge("weir_replica_lag_known", "1: the lag can be read, 0: the replica is gone.");
    Counters& lock_attempts = counter("weir_lock_attempts_total", "Tries for the locks of a step.");
    Counters& blockers_ended =
        counter("weir_blockers_ended_total", "Sessions in the way of a lock that were canceled or terminated.");
    Gauges& blocked_since =
        gauge("weir_blocked_since_timestamp_seconds", "Since when a lock is not to be had; absent when it is.");
    Gauges& blockers = gauge("weir_blockers", "Sessions in the way of a lock; absent when there is none.");
    Gauges& forecast_at =
        gauge("weir_forecast_timestamp_seconds", "When the fill or proof will be done, as the schedule lets it.");
    Gauges& forecast_openings = gauge("weir_forecast_openings", "Openings of the schedule that it will take.");
    Gauges& window_closes =
        gauge("weir_window_closes_timestamp_seconds", "When the schedule's window that is open now closes.");
    Gauges& gate_since =
        gauge("weir_gate_waiting_since_timestamp_seconds", "When the gate opened; absent when not at a gate.");
    Gauges& quarantine_ends =
        gauge("weir_quarantine_ends_timestamp_seconds", "When what contract set aside may be dropped; absent before.");
    Gauges& mismatches = gauge("weir_proof_mismatches", "Rows that the last proof of the table found wrong.");
    Gauges& last_progress =
        gauge("weir_last_progress_timestamp_seconds", "When a batch or step was done, or a dump grew, last.");
    Gauges& ended =
        gauge("weir_run_ended_timestamp_seconds", "When this process was done with the run; absent while it works.");
    Histograms& step_duration = histogram("weir_step_duration_seconds", "Time of one step.");
    Counters& orders = counter("weir_orders_total", "Orders that took effect.");
    Counters& errors = counter("weir_errors_total", "Stops and refusals by message code.");
    Counters& warnings = counter("weir_warnings_total", "Warnings.");
    Gauges& build = gauge("weir_build_info", "Always 1; the label is weir's version.");

  private:
    Gauges& gauge(char const* name, char const* help) {
        return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
    }
    Counters& counter(char const* name, char const* help) {
        return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
    }
    Histograms& histogram(char const* name, char const* help) {
        return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
    }
};

}  // namespace weir
