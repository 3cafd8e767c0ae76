CREATE SCHEMA "Schema X";
CREATE TYPE "Schema X"."Colour" AS ENUM ('red', 'green');
CREATE TABLE t (id int);
INSERT INTO t SELECT generate_series(1, 100);
