"""``foldwatch top``: runs in a terminal, the worst first, and what to do about them now."""

from __future__ import annotations

import typer

from foldwatch.commands.options import Once, PageUser, PasswordFile, TokenFile, Watched
from foldwatch.top.session import show

app = typer.Typer()


@app.command()
def top(
    watched: Watched = ".",
    once: Once = False,
    user: PageUser = None,
    password_file: PasswordFile = None,
    token_file: TokenFile = None,
) -> None:
    """Show runs in the terminal, live: the worst first, what limits them, and what to do now."""
    show(watched, once=once, user=user, password_file=password_file, token_file=token_file)
