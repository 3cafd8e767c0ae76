-- The key that names rows, the schema and the partition names need quoting, too.
CREATE SCHEMA "My.Schema";
CREATE TABLE "My.Schema"."T.T" ("A ""B""" int, "c'd" int, v text NOT NULL, PRIMARY KEY ("A ""B""", "c'd"))
  PARTITION BY RANGE ("A ""B""");
CREATE TABLE "My.Schema"."p 1%" PARTITION OF "My.Schema"."T.T" FOR VALUES FROM (0) TO (100);
CREATE TABLE "My.Schema"."p""2\" PARTITION OF "My.Schema"."T.T" FOR VALUES FROM (100) TO (1000);
INSERT INTO "My.Schema"."T.T" SELECT i, i, 'v' || i FROM generate_series(1, 300) i;
