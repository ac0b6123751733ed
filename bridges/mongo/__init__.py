"""MongoDB: writes that outlast an outage, collections and indexes, results read back."""
