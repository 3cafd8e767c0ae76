CREATE TABLE "Order" (id int PRIMARY KEY, "select" text, "a""b" text, "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll" text NOT NULL, "%s\" text);
INSERT INTO "Order" SELECT i, 'x', 'y', 'z', '%' FROM generate_series(1, 100) i;
