SELECT bool_and(remark = 'n' || id AND type IS NOT DISTINCT FROM CASE WHEN id % 2 = 0 THEN 'k' || id END) FROM events
