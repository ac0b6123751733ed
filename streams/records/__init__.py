"""The records on Weir's topics: their types, ids, topics, rows and documents."""
