"""The batch lane: Faust agents that receive one fetched batch of one partition as one event, and lose nothing.

Faust's cost is per event (about 75 µs), so an event here is a whole fetch: a few microseconds per reading.

    core/          what the lane decides: pure, without Faust (positions, frontier, held, state, stage, bounds)
    faust/         translates between Faust, aiokafka and the core
    checkpoint.py  when state and results become durable, and offsets may move on
    writer.py      builds record batches per partition: 3 µs a record instead of Faust's 50
    lane_app.py    the application: puts stages to work
"""
