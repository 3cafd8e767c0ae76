CREATE SCHEMA "we""ird $x*?";
CREATE TABLE "we""ird $x*?"."a.b \ |(t)" (id bigint PRIMARY KEY, "v;--" text);
INSERT INTO "we""ird $x*?"."a.b \ |(t)" SELECT i, nullif('v' || i, 'v7') FROM generate_series(1, 50) i;
CREATE TABLE parts (id bigint, note text) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (10) TO (20);
INSERT INTO parts SELECT i, 'n' || i FROM generate_series(1, 15) i;
CREATE TABLE witness AS SELECT id, note FROM parts;
