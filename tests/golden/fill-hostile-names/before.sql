CREATE TABLE "Order" ("A ""B""" int PRIMARY KEY, "select" text, "%s\" text, "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll" text);
INSERT INTO "Order" SELECT i FROM generate_series(1, 100) i;
