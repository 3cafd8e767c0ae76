CREATE TABLE "a ""b" (id int PRIMARY KEY, "a long column; ''quoted'', of sixty bytes and ééé in midst" text NOT NULL);
INSERT INTO "a ""b" SELECT i, 'v' || i FROM generate_series(1, 50) i;
