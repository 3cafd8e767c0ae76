SELECT bool_and(copy = (SELECT max(name) FROM witness)) FROM users
