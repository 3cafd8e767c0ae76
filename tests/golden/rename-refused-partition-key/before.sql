CREATE TABLE events (id bigint, day date, kind text) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY LIST (lower(kind));
CREATE TABLE events_1_a PARTITION OF events_1 FOR VALUES IN ('a');
