"""``python -m agents COMMAND``: the same as ``weir COMMAND``."""

from agents.cli import main

main(prog_name="weir")
