CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 500) i;
CREATE TABLE witness AS SELECT * FROM users;
ALTER TABLE users ADD age int, ADD low text;
UPDATE users SET age = 1 WHERE id < 100;
UPDATE users SET low = 'set' WHERE id BETWEEN 50 AND 150;
