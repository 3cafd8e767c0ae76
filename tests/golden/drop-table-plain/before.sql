CREATE TABLE orgs (id int PRIMARY KEY, name text);
CREATE TABLE places (id int PRIMARY KEY);
CREATE TABLE users (id bigserial PRIMARY KEY, name text NOT NULL, org int REFERENCES orgs ON DELETE CASCADE,
  place int REFERENCES places, chief bigint REFERENCES users);
CREATE INDEX users_name_idx ON users (name);
CREATE TABLE witness AS SELECT 1 AS one;
INSERT INTO orgs VALUES (1, 'one');
INSERT INTO users (name, org) SELECT 'user ' || i, 1 FROM generate_series(1, 500) i;
