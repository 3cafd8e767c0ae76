CREATE TABLE t (id int PRIMARY KEY, a timestamptz DEFAULT now(), b text NOT NULL DEFAULT 'x');
COMMENT ON COLUMN t.a IS 'gone';
GRANT SELECT (a) ON t TO golden_reader;
INSERT INTO t SELECT generate_series(1, 10);
