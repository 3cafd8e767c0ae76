CREATE SCHEMA "s.1 ""x";
CREATE TABLE "s.1 ""x"."par'ent" ("k ""ey" int PRIMARY KEY);
CREATE TABLE "s.1 ""x"."a; DROP TABLE t; --" (id int PRIMARY KEY, "r'ef" int CONSTRAINT "c ""'on" REFERENCES "s.1 ""x"."par'ent" ON DELETE SET NULL);
CREATE TABLE t (id int);
INSERT INTO "s.1 ""x"."par'ent" VALUES (1);
INSERT INTO "s.1 ""x"."a; DROP TABLE t; --" VALUES (1, 1);
