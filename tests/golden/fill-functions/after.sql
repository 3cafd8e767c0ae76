SELECT bool_and(CASE WHEN id = 250
         THEN slug = 'mine' AND token = '00000000-0000-0000-0000-000000000000' AND seen = '2001-01-01 UTC' AND number = -1 AND parity = 'kept'
         ELSE slug = 'an-article-' || id AND seen > '2002-01-01' AND number > 0 AND parity = CASE WHEN id % 2 = 0 THEN 'even' ELSE 'odd' END END)
  AND count(DISTINCT token) = 500 AND count(DISTINCT number) = 500 FROM articles
