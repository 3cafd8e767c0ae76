SELECT bool_and(note = id || 'x') FROM events
