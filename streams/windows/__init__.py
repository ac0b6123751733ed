"""Windows of event time: when they close, and what they say about their readings."""
