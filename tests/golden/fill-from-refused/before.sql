CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL, full_name text, a text, b text, c text, d text, e text, f text, g text, h int, i text);
CREATE TABLE addresses (user_id bigint, city text);
CREATE SCHEMA archive;
CREATE TABLE archive.users (id bigint, city text);
CREATE SEQUENCE numbers;
CREATE TABLE witness AS SELECT * FROM users;
