CREATE TABLE "par'ent \" ("k ""ey" int PRIMARY KEY);
CREATE TABLE "a ""table; ''quoted'', of sixty bytes and ééé in midst" (id int PRIMARY KEY, "r'ef" int CONSTRAINT "c ""'on\" REFERENCES "par'ent \");
COMMENT ON TABLE "a ""table; ''quoted'', of sixty bytes and ééé in midst" IS '\''"';
INSERT INTO "par'ent \" VALUES (1);
INSERT INTO "a ""table; ''quoted'', of sixty bytes and ééé in midst" VALUES (1, 1);
