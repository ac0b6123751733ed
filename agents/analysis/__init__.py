"""Model analysis: a second Faust application on the same log, for what is too slow for the hot path.

readings ──▶ analyse_readings ──┬──▶ insights
                                └──▶ group-buckets ──▶ compare_sensors ──▶ insights
anomalies, labels ──▶ mark_anomalies, mark_labels          tables ──▶ pages on port 8010

app.py         the application
series.py      the agent that analyses each series
groups.py      the agent that compares the sensors of a group
marks.py       the agents that keep anomalies and labels to be drawn
describe.py    what is known, as plain values
pages.py       what is served, and page.html
"""
