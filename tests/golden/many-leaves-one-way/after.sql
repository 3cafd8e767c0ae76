SELECT count(*) = 200 AND bool_and(remark = 'N' || id) FROM events
