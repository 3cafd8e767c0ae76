CREATE TABLE t (id int PRIMARY KEY, a int, b text, c int, d text, e int, f int, g int GENERATED ALWAYS AS (id) STORED, h int,
  i int GENERATED ALWAYS AS IDENTITY, j int, k int);
CREATE TABLE parts (id int, a int) PARTITION BY LIST (id);
CREATE SCHEMA other;
CREATE FUNCTION other.f() RETURNS int LANGUAGE sql RETURN 1;
