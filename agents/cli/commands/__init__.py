"""The commands of ``weir``: one module each, a `click.Command` of the module's name."""
