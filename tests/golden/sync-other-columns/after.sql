SELECT bool_and(whole = 'F' || id || ' L' || id) FROM people
