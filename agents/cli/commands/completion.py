"""``weir completion``: what a shell needs to complete commands and options."""

import click

_EXAMPLES = """
\b
Examples:
  eval "$(weir completion bash)"                                       in this shell
  weir completion bash > ~/.local/share/bash-completion/completions/weir
  weir completion zsh > "${fpath[1]}/_weir"
  weir completion fish > ~/.config/fish/completions/weir.fish
"""


@click.command(epilog=_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script by which SHELL completes commands, options and their values."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(ctx.find_root().command, {}, "weir", "_WEIR_COMPLETE").source())
