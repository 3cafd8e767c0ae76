CREATE TABLE users (id bigint PRIMARY KEY, name varchar(80) NOT NULL DEFAULT 'nobody', note text);
INSERT INTO users SELECT i, 'user ' || i, CASE WHEN i % 2 = 0 THEN 'note ' || i END FROM generate_series(1, 500) i;
CREATE TABLE witness AS SELECT * FROM users;
