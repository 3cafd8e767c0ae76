-- What single partitions have of their own, on the column that gets another name and beside it.
CREATE TABLE events (id int, at date NOT NULL, label text DEFAULT 'none', note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE events_1 PARTITION OF events FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE "Events 2" PARTITION OF events FOR VALUES FROM ('2021-01-01') TO ('2022-01-01') PARTITION BY LIST (id);
CREATE TABLE "Events 2 1" PARTITION OF "Events 2" DEFAULT;
CREATE SCHEMA archive;
CREATE TABLE archive.events_3 PARTITION OF events DEFAULT;
ALTER TABLE events_1 ALTER label SET DEFAULT 'its own', ALTER label SET STATISTICS 9, ALTER note SET STORAGE EXTERNAL, ALTER note SET (n_distinct = 3), ADD CONSTRAINT known CHECK (note <> 'no');
COMMENT ON COLUMN events_1.label IS 'of the first';
COMMENT ON COLUMN events_1.note IS 'beside it';
GRANT SELECT (label), UPDATE (note) ON events_1 TO golden_app;
ALTER TABLE "Events 2 1" ALTER label DROP DEFAULT, ALTER note SET NOT NULL;
GRANT UPDATE (label) ON archive.events_3 TO PUBLIC;
CREATE INDEX events_note ON events (note);
CREATE INDEX only_3 ON archive.events_3 (note, id);
INSERT INTO events SELECT i, date '2020-06-01' + i, nullif('label ' || i, 'label 7'), 'note' FROM generate_series(1, 900) i;
