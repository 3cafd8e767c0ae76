CREATE TABLE people (id int PRIMARY KEY, first text, last text NOT NULL, "Middle" varchar(10));
INSERT INTO people SELECT i, 'F' || i, 'L' || i FROM generate_series(1, 300) i;
