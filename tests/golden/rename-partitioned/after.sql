SELECT bool_and(remark = 'n' || id) FROM events
