"""``--alert-command`` is checked before anything starts: its program is there, and nothing in it is for a shell."""

from __future__ import annotations

import pytest

from telemetry.alerts.command_line import command_words
from telemetry.errors import InputError


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("sh -c 'cat >> al.json'", ["sh", "-c", "cat >> al.json"]),
        ('sh -c "echo $FOLDWATCH_ALERT_STATUS | cat"', None),
        ("cat 'a | b' \"c && d\" e\\>f", ["cat", "a | b", "c && d", "e>f"]),
        ("cat http://pager/x?a=1&b=2", ["cat", "http://pager/x?a=1&b=2"]),
        ("cat --level=>5", ["cat", "--level=>5"]),
    ],
)
def test_what_needs_no_shell_is_taken(command: str, words: list[str] | None) -> None:
    """Signs in quotes are for the program, and so is what stands inside a word of an address."""
    assert command_words(command) == (words or command_words(command))


@pytest.mark.parametrize(
    ("command", "sign"),
    [
        ("cat >> ml.json", ">>"),
        ("cat >ml.json", ">"),
        ("cat 2>&1", "2>&1"),
        ("cat | mail ops", "|"),
        ("cat|mail", "|"),
        ("true && mail ops", "&&"),
        ("true; mail ops", "true;"),
        ("echo $FOLDWATCH_ALERT_NAME", "$FOLDWATCH_ALERT_NAME"),
        ("echo a$(date)", "$("),
        ("~/page.sh", "~/page.sh"),
    ],
)
def test_what_is_for_a_shell_is_explained(command: str, sign: str) -> None:
    """With the line that does it."""
    with pytest.raises(InputError) as raised:
        command_words(command)
    assert str(raised.value).startswith(f"--alert-command is no shell, which {sign} is for; use ")
    assert f"sh -c '{command}'" in str(raised.value)


def test_a_program_that_is_not_there_is_named_and_no_secret_is() -> None:
    """In the words of an error nobody finds what the command was given."""
    with pytest.raises(InputError, match="nosuchprog: no such program"):
        command_words("nosuchprog --token=abcdef123456")
    with pytest.raises(InputError) as raised:
        command_words("cat --token=abcdef123456 >> x")
    assert "abcdef123456" not in str(raised.value)
