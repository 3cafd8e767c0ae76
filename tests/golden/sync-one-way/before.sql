CREATE TABLE t (id int PRIMARY KEY, name text);
INSERT INTO t SELECT i, 'N' || i FROM generate_series(1, 300) i;
