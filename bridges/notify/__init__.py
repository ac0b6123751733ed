"""Tell people and programs of alarms: a process beside the worker, which it never holds up.

notifying.py       one target: what is read, gathered, told, and committed once it has been
collecting.py      what is read and not told yet
beginning.py       from where it knows what it has been told
notify_service.py  all targets as a process
web_target.py      by HTTP; mail_target.py by SMTP; mqtt_target.py as state on an MQTT broker
heartbeat.py       somebody else notices if alarms are no longer followed
"""
