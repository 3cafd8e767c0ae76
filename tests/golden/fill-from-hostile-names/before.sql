CREATE SCHEMA "a.b ""c";
CREATE TABLE "a.b ""c"."Select ""x" (id int PRIMARY KEY, "va'l ""ue" text);
INSERT INTO "a.b ""c"."Select ""x" SELECT i FROM generate_series(1, 50) i;
CREATE TABLE "a.b ""c"."from $1 {0}" ("odd ""id" int, "val; DROP" text);
INSERT INTO "a.b ""c"."from $1 {0}" SELECT i, i::text FROM generate_series(1, 50) i;
