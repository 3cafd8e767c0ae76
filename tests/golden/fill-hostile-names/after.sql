SELECT bool_and("select" = "A ""B""" || '{0} %s \' AND "%s\" = '$weir$') FROM "Order"
