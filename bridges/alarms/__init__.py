"""Alarms as their log has them, and what people do about them, for those who stand outside the worker.

alarm_log.py      the newest record of each alarm
incident_log.py   which of them are one incident
plan_log.py       work that is planned, and what it keeps from being told
action_writer.py  an action into the log
"""
