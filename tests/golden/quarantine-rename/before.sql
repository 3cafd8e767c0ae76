CREATE TABLE users (id bigint PRIMARY KEY, name varchar(80) NOT NULL DEFAULT 'nobody', note text);
COMMENT ON COLUMN users.name IS 'who';
GRANT SELECT (name) ON users TO golden_reader;
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 500) i;
CREATE TABLE witness AS SELECT * FROM users;
