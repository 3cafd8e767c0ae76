-- Each storage and compression that differs from its type's own.
CREATE TABLE t (id int PRIMARY KEY, plain text, external text, main text, extended numeric);
ALTER TABLE t ALTER plain SET STORAGE PLAIN, ALTER external SET STORAGE EXTERNAL, ALTER main SET STORAGE MAIN,
  ALTER extended SET STORAGE EXTENDED, ALTER main SET COMPRESSION pglz;
INSERT INTO t SELECT i, i, i, i, i FROM generate_series(1, 20) i;
