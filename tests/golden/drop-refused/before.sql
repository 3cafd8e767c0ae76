CREATE TABLE t (id int PRIMARY KEY, a int UNIQUE, b int, c int, d serial, e int);
CREATE VIEW v AS SELECT b FROM t;
CREATE TABLE alone (a int);
