CREATE TABLE events (id bigint, day date NOT NULL, note text NOT NULL DEFAULT '', kind text, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE events_2 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01') PARTITION BY LIST (id);
CREATE TABLE events_2_1 PARTITION OF events_2 FOR VALUES IN (1, 3, 5);
CREATE TABLE events_2_rest PARTITION OF events_2 DEFAULT;
CREATE TABLE events_empty PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
INSERT INTO events SELECT i, '2024-06-01'::date + i, 'n' || i, CASE WHEN i % 2 = 0 THEN 'k' || i END FROM generate_series(1, 400) i;
