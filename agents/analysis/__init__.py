"""Model analysis: a second Faust application on the same log, for what is too slow for the hot path.

readings ──▶ analyse_readings ──┬──▶ insights
                                └──▶ group-buckets ──▶ compare_sensors ──▶ insights
anomalies, labels ──▶ mark_anomalies, mark_labels          tables ──▶ pages on port 8010

app.py               the application
learn_series.py      the stage that analyses each series
compare_groups.py    the stage that compares the sensors of a group
keep_marks.py        the stages that keep anomalies and labels to be drawn
describe.py          what is known, as plain values
analysis_pages.py    what is served, and page.html
"""
