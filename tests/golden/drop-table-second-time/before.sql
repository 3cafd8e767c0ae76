CREATE TABLE users (id bigint PRIMARY KEY);
CREATE TABLE witness AS SELECT * FROM users;
