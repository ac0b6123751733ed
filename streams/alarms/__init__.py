"""Alarms: what deserves somebody's attention, until somebody has seen to it.

    anomalies, actions, ticks ──▶ raise_alarms(rules, rows, inputs) ──▶ alarms ──▶ who is told

raising.py      the function of the log: rows and inputs in, alarms out
life.py         the life of one alarm: states and changes
acting.py       what people do, checked
inhibiting.py   what keeps alarms from being told: shelving, planned work, out of service
alarm_rules.py  severities and times
incidents.py    alarms with one cause
incident_telling.py  which of them a target is told
inputs.py       what of the other stages alarms are made of
wording.py      an alarm as a sentence
"""
