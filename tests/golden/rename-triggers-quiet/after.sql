SELECT bool_and(full_name = 'user ' || id AND updated = 0) FROM users
