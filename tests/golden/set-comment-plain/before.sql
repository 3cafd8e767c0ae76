CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
COMMENT ON TABLE users IS 'people';
COMMENT ON COLUMN users.name IS 'the user''s name';
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 100) i;
