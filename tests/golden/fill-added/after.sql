SELECT bool_and(tries = length(name)) FROM users
