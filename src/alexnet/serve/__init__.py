"""A classifier over HTTP: one queue, several protocols, bounds on everything that strangers send."""
