CREATE TABLE "Order" (id int);
INSERT INTO "Order" SELECT generate_series(1, 100);
