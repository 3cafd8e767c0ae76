-- as: golden_app
-- What a role needs that is no superuser: its own table, and CREATE on the database for the ledger.
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO golden_app', current_database()); END $$;
CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);
INSERT INTO users SELECT i, 'user ' || i FROM generate_series(1, 500) i;
GRANT SELECT (name) ON users TO golden_reader;
ALTER TABLE users OWNER TO golden_app;
