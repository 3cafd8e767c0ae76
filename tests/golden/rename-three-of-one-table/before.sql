CREATE TABLE people (id bigint PRIMARY KEY, name varchar(80) NOT NULL, nick text, score numeric(8,2) DEFAULT 0, seen int);
INSERT INTO people SELECT i, 'person ' || i, CASE WHEN i % 3 > 0 THEN 'n' || i END, i / 7.0, i FROM generate_series(1, 400) i;
INSERT INTO people VALUES (401, '', '', NULL, NULL), (402, repeat('long ', 16), repeat('wide', 3000), 1.50, 0);
CREATE TABLE witness AS SELECT * FROM people;
