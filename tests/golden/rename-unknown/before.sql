CREATE SCHEMA shop;
CREATE TABLE shop.orders (id int, amount int);
CREATE TABLE users (id int, name text);
