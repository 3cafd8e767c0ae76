-- What hangs on a partition alone goes with the column, silently or not: the parent does not know of it.
CREATE TABLE other (id int PRIMARY KEY);
CREATE TABLE events (id int, a int, b int, c int, d int, e int, f int, g text) PARTITION BY LIST (id);
CREATE TABLE events_1 PARTITION OF events FOR VALUES IN (1);
CREATE TABLE events_2 PARTITION OF events FOR VALUES IN (2) PARTITION BY LIST (id);
CREATE TABLE events_2_a PARTITION OF events_2 FOR VALUES IN (2);
CREATE INDEX on_a ON events_1 (a);
ALTER TABLE events_2_a ADD CHECK (b > 0);
ALTER TABLE events_1 ADD FOREIGN KEY (c) REFERENCES other;
CREATE VIEW v AS SELECT d FROM events_2_a;
ALTER TABLE events_2 ADD UNIQUE (id, e);
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER on_f AFTER UPDATE OF f ON events_1 FOR EACH ROW EXECUTE FUNCTION noop();
CREATE INDEX everywhere ON events (g);
