"""What can be seen of a system that runs, from outside: its conditions, and where one reading stands."""
