CREATE TABLE events (id bigint PRIMARY KEY, at timestamptz NOT NULL);
INSERT INTO events SELECT i, now() - i * interval '1 day' FROM generate_series(1, 200) i;
CREATE TABLE users (id int PRIMARY KEY);
INSERT INTO users SELECT i FROM generate_series(1, 100) i;
CREATE TABLE visits (id int PRIMARY KEY, user_id int);
INSERT INTO visits SELECT i, i FROM generate_series(1, 150) i;
