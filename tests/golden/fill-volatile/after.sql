SELECT count(DISTINCT key) = 500 FROM users
