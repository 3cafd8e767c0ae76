CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 500) i;
CREATE TABLE witness AS SELECT * FROM users;

-- The application's own triggers, and things on other columns, are nobody's business.
CREATE FUNCTION noop() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER "Middle" BEFORE UPDATE OF id ON users FOR EACH ROW EXECUTE FUNCTION noop();
CREATE TRIGGER after AFTER INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION noop();
CREATE INDEX on_id ON users (id);
ALTER TABLE users ADD gen bigint GENERATED ALWAYS AS (id + 1) STORED;
ALTER TABLE users DROP COLUMN gen, ADD gen2 bigint GENERATED ALWAYS AS (id + 2) STORED, ADD note text DEFAULT now()::text;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY p ON users USING (id > 0);
CREATE PUBLICATION whole FOR TABLE users;
