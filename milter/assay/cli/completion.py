"""``assay completion``: what a shell needs to complete the words of ``assay``."""

from typing import Final

import click
from click.shell_completion import get_completion_class

_PROGRAM: Final = "assay"
_VARIABLE: Final = "_ASSAY_COMPLETE"  # click derives it from the name of the program, and looks for it at each start

SHELLS: Final = ("bash", "zsh", "fish")


def completion_script(shell: str, command: click.Command) -> str:
    """Return the script with which a shell completes the words of ``command``: it asks the installed ``assay``.

    Args:
        shell: one of :data:`SHELLS`.
        command: the whole of ``assay``.
    """
    kind = get_completion_class(shell)
    assert kind is not None, "click knows all three"
    # not source(): for bash that starts the shell that is installed here, to look at its version
    complete = kind(command, {}, _PROGRAM, _VARIABLE)
    return (complete.source_template % complete.source_vars()).rstrip() + "\n"


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what SHELL needs to complete commands, options, files and choices of assay.

    Packages install it. By hand, for bash 4.4 or later, for fish, and for zsh, in a directory of its fpath:

    \b
        assay completion bash > ~/.local/share/bash-completion/completions/assay
        assay completion fish > ~/.config/fish/completions/assay.fish
        assay completion zsh > ~/.zfunc/_assay

    Exit codes: 0 it is printed, 2 wrong usage.
    """  # noqa: D301 - the backspace is click's mark for lines that stay as they are
    click.echo(completion_script(shell, context.find_root().command), nl=False)
