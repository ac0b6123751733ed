"""Real servers on this machine, without Docker, Java or root: one file per server, a supervisor, a screen."""
