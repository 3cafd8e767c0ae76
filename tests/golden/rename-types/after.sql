-- true when no old column is left and all new ones are filled where they were
SELECT bool_and(t::text NOT LIKE '%,,%') FROM t WHERE id % 2 = 0
