CREATE TABLE t (id int PRIMARY KEY, a text, b text);
INSERT INTO t SELECT i, nullif('x' || i, 'x7') FROM generate_series(1, 100) i;
