CREATE TABLE events (id int, name text) PARTITION BY RANGE (id);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM (0) TO (100);
COMMENT ON COLUMN events_1.name IS 'its own';
