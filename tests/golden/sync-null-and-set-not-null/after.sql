SELECT count(*) FILTER (WHERE b = '') = 1 AND count(b) = 100 FROM t
