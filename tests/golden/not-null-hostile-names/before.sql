CREATE TABLE "Order" (id int, "select" int, "a""b" int, "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll" int, "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüx" int, "%s\" int);
INSERT INTO "Order" SELECT 1, 1, 1, 1, 1, 1;
