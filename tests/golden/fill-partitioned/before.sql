CREATE TABLE events (id int, note text, PRIMARY KEY (id)) PARTITION BY LIST (id);
CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1, 2, 3);
CREATE TABLE events_rest PARTITION OF events DEFAULT;
INSERT INTO events SELECT i FROM generate_series(1, 100) i;
