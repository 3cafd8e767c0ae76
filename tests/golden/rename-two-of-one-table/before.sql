CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b text DEFAULT 'b');
INSERT INTO t SELECT i, i FROM generate_series(1, 300) i;
CREATE TABLE u (a int);
INSERT INTO u VALUES (1), (NULL);
