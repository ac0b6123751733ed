"""The wiring: the Faust application, its agents, tables, web views and the command line."""
