CREATE TABLE orgs (id int PRIMARY KEY, name text);
CREATE TABLE places (id int, zone int, PRIMARY KEY (id, zone));
CREATE TABLE users (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, org int, place int, zone int,
  chief bigint REFERENCES users, late int);
COMMENT ON TABLE users IS 'who it''s for';
ALTER TABLE users ADD CONSTRAINT org_fk FOREIGN KEY (org) REFERENCES orgs ON UPDATE CASCADE ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE users ADD CONSTRAINT place_fk FOREIGN KEY (place, zone) REFERENCES places MATCH FULL DEFERRABLE;
ALTER TABLE users ADD CONSTRAINT late_fk FOREIGN KEY (late) REFERENCES orgs ON DELETE RESTRICT NOT VALID;
COMMENT ON CONSTRAINT org_fk ON users IS 'theirs';
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER touch BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
CREATE FUNCTION greets() RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT count(*) FROM users); END';
CREATE INDEX users_name_idx ON users (name);
GRANT SELECT ON users TO golden_reader;
ALTER TABLE users ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON users USING (name = current_user);
INSERT INTO orgs VALUES (1, 'one');
INSERT INTO places VALUES (1, 1);
INSERT INTO users (name, org, place, zone) SELECT 'user ' || i, 1, 1, 1 FROM generate_series(1, 500) i;
