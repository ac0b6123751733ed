"""The batch lane: Faust agents that receive one fetched batch of one partition as one event, and lose nothing.

Faust's cost is per event (about 75 µs), so an event here is a whole fetch: a few microseconds per reading.

    consumer.py    Faust's Kafka consumer, batched, and safe through rebalances
    batch.py       what an agent receives, and the schema that makes it
    state.py       write-behind state of one agent, recovered from its changelog
    checkpoint.py  when state and results become durable, and offsets may move on
    writer.py      builds record batches per partition: 3 µs a record instead of Faust's 50
    internals.py   checks at start that the parts of Faust it relies on are as they were
"""
