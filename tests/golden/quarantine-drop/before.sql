CREATE TABLE t (id int PRIMARY KEY, old text, kept int NOT NULL DEFAULT 7);
INSERT INTO t SELECT i, 'x' || i, i FROM generate_series(1, 100) i;
