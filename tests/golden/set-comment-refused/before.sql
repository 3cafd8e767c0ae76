CREATE TABLE users (id int, name text);
CREATE VIEW a_view AS SELECT id FROM users;
