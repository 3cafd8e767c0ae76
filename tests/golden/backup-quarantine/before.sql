CREATE TABLE users (id bigint PRIMARY KEY, note text);
INSERT INTO users SELECT i, 'note ' || i FROM generate_series(1, 100) i;
