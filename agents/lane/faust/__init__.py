"""Faust's side of the lane: it translates between Faust, aiokafka and the core, and decides nothing itself.

thread.py      the thread that fetches, and knows which stretch of the log a fetch covers
buffer.py      what aiokafka has fetched, as it was read
consumer.py    Faust's consumer: batched, and safe through rebalances
transport.py   Faust's transport with that consumer
batch_schema.py  hands a batch through as it is
recovery.py    the table through which rows come back from a changelog
internals.py   checks at start that Faust and aiokafka are those that this was written for
"""
