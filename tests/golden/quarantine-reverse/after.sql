SELECT bool_and(amount = id / 100.0) FROM t
