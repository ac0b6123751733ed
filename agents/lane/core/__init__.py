"""The core of the lane: what it decides, without Faust, aiokafka and asyncio (`pyproject.toml` holds it).

batch.py        the records of one fetch of one partition
positions.py    where each partition stands: continues, repeats, or a hole
frontier.py     what was handed on, what is acknowledged, up to where may be committed
held.py         what waits for the next checkpoint, what changed, and when it is full
changelog.py    how rows are written to a changelog, and become rows again
state.py        the rows of one stage, by partition: the four above, put together
stage.py        one step of the pipeline, as a value
work.py         a stage at work on one batch
continuity.py   what an agent was given, compared with what the log has
bounds.py       every bound of the lane's memory, with its reason and what it costs
"""
