CREATE TABLE users (id int PRIMARY KEY, email text, name text);
INSERT INTO users SELECT i, CASE WHEN i % 5 > 0 THEN 'user' || i END, 'user ' || i FROM generate_series(1, 300) i;
