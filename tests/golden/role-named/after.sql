SELECT count(*) = 300 FROM users WHERE loud = upper(name)
