SELECT count(*) = 240 AND bool_and(domain = 'd' || id) FROM users
