CREATE SCHEMA "a.b ""c";
CREATE TABLE "a.b ""c"."Select ""x" ("va'l ""ue" int PRIMARY KEY, "val; DROP $1 {0}" text);
INSERT INTO "a.b ""c"."Select ""x" SELECT i, i FROM generate_series(1, 50) i;
CREATE TABLE "order; by" ("user" int REFERENCES "a.b ""c"."Select ""x");
