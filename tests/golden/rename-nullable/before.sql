CREATE TABLE users (id bigint PRIMARY KEY, name text);
INSERT INTO users SELECT i, CASE WHEN i % 3 > 0 THEN 'user ' || i END FROM generate_series(1, 500) i;
CREATE TABLE witness AS SELECT * FROM users;
