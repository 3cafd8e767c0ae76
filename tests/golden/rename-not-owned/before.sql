-- as: golden_app
CREATE TABLE users (id int, name text);
GRANT ALL ON users TO golden_app;
