CREATE TABLE t (id int PRIMARY KEY, cents int NOT NULL DEFAULT 0);
INSERT INTO t SELECT i, i FROM generate_series(1, 300) i;
