SELECT bool_and(age = 42) FROM users
