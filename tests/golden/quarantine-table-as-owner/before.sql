-- as: golden_app
-- What a role needs that is no superuser: its own table, CREATE on the schema, and of the other table to lock it and refer to it.
DO $$ BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO golden_app', current_database()); END $$;
GRANT CREATE ON SCHEMA public TO golden_app;
CREATE TABLE orgs (id int PRIMARY KEY);
GRANT UPDATE, REFERENCES ON orgs TO golden_app;
CREATE TABLE users (id int PRIMARY KEY, org int REFERENCES orgs);
INSERT INTO orgs VALUES (1);
INSERT INTO users SELECT i, 1 FROM generate_series(1, 50) i;
ALTER TABLE users OWNER TO golden_app;
