CREATE TABLE "Order" (id int, "a""b" text);
