CREATE TABLE "Or""der %s \ {0} $1 $weir$" ("select" int PRIMARY KEY, "a""b" text NOT NULL DEFAULT 'x''y\z%', "Order" text,
  "lllllllllllllllllllllllllllllllllllllllllllllllllllllllllllllll" int NOT NULL, "back\slash" text, "per%cent %s %I" text, "new" int, "{0}" text);
INSERT INTO "Or""der %s \ {0} $1 $weir$" SELECT i, 'a' || i, 'b' || i, i, 'c\', '%', i, '{' FROM generate_series(1, 200) i;
CREATE TABLE "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüx" ("user" text NOT NULL);
INSERT INTO "üüüüüüüüüüüüüüüüüüüüüüüüüüüüüüüx" VALUES ('ü');
