"""Secrets in command lines and environments, masked or left out before they are written or handed on.

A value is masked by the name it is given to (``--api-key X``, ``API_KEY=X``, ``Authorization: Bearer X``)
or by its own form (a URL's user info, tokens with a known prefix).
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from telemetry.late_pattern import compile_now, late_pattern

if TYPE_CHECKING:
    from collections.abc import Sequence

MASK = "***"
SECRET_VARIABLES = (
    "FOLDWATCH_TOKEN",
    "FOLDWATCH_PASSWORD",
    "FOLDWATCH_ALERT_COMMAND",
    "FOLDWATCH_ALERT_WEBHOOK",
    "FOLDWATCH_ALERTMANAGER",
    "FOLDWATCH_OTLP",
    "FOLDWATCH_OTLP_HEADERS",
)
"""foldwatch's own: no process that it starts needs them."""

_NAME = late_pattern(
    # A part of the name ends so: `apiKey`, `hf_token`, not `tokenizer`, `author` or `keypoints`.
    r"(?P<always>secret|passw(?:or)?d|pwd|passphrase|passcode|cred(?:ential)?)s?(?![a-z])"
    r"|(?<![a-z])(?P<whole>pin|session|sessid)$"
    r"|(?<![a-z])(?:(?:aws|api)?secret(?:access)?|access|account|anthropic|api|app|auth|aws|azure|client|cohere|comet"
    r"|deploy|encryption|gcp|gemini|google|gpg|groq|hf|hmac|huggingface|licen[cs]e|master|mistral|openai|pgp|private"
    r"|root|rsa|sendgrid|service|shared|signing|ssh|ssl|storage|stripe|tls|vault|wandb|webhook)?key"
    r"s?(?![a-z])"
    r"|(?:token|auth|authorization)s?(?![a-z])"
    r"|(?<![a-z])(?:admin|cert|database|db|e?mail|ftp|http|imap|kafka|key|ldap|login|mariadb|mongo|mysql|pg|postgres"
    r"|proxy|rabbitmq|redis|root|sftp|smtp|sql|ssh|sudo|user|vnc|wifi)?(?:pass|pw)s?(?![a-z])"
    r"|(?<![a-z])(?:pat|otp|jwt|cookie|bearer|sig|signature)s?(?![a-z])",
    re.IGNORECASE,
)
_OF_DATA = late_pattern(
    r"(?<![a-z])(?:(?:sort|primary|foreign|group|partition|index|join|lookup|monitor|metric|score|public)[_.-]?keys?"
    r"|keys?[_.-](?:dims?|size|len|length|type|name|field|column|heads?|bias|padding|mask)"
    r"|tokens?[_.-](?:per|size|len|length|count|type|limit|budget|dim|mask|dropout)|n(?:um)?[_.-](?:keys|tokens)"
    r"|(?:all|backward|band|first|forward|high|low|multi|n|num|one|second|single|two)[_.-]?pass)"
    r"(?![a-z])"
    r"|(?:^-*|\.)keys(?![\w.-])",
    re.IGNORECASE,
)
"""Names of columns, of the parts of a model and of passes over data."""
_CAPITAL = late_pattern(r"(?<=[a-z])(?=[A-Z])")
_FLAG = (
    r"""\s{0,20}["']?[\w.-]{1,60}["']?\s{0,20}:\s{0,20}(?:\d{1,9}|true|false|none|null)\s{0,20}"""
)
_NO_SECRET = late_pattern(
    r"\d{1,9}|\d{1,6}(?:[.,]\d{1,6}){0,8}(?:e[+-]?\d{1,2}|[kmgb])?|true|false|none|yes|no"
    rf"|\{{{_FLAG}(?:,{_FLAG})*\}}",
    re.IGNORECASE,
)
"""What `--max-tokens` and `--key-dim` are given; a mapping such as ``{"enabled": true}``."""
_GIVEN = late_pattern(
    r"""(?<![\w.-])(?P<name>[\w.-]+)(?:\[\w{0,20}\])?"""
    r"""(?P<between>:\s*[\w.]{1,30}(?:\[[\w.,|\[\] ]{1,60}\])?(?:\s*\|\s*\w{1,20}){0,2}\s*=\s*(?=["'*])"""
    r"""|\\{0,3}["']?\]?\s*[=:]\s*|["']\s*,\s*(?=["'])|\(\s*(?=["'])|\s+)(?!\s)"""
)
_PLAIN = {"key", "keys"}
"""Names that are mostly of data where no program's own option has them."""
_OPTION = late_pattern(r"-[\w.-]+(?:\[\w{0,20}\])?=?")
_ASSIGNED = late_pattern(r"(?P<name>[\w.-]+)(?:\[\w{0,20}\])?\+?=(?P<value>.*)", re.DOTALL)
"""A word of its own: what is given ends with it."""
_SEVERAL = late_pattern(r"(?:key|token|secret|password|passwd)s=?$", re.IGNORECASE)
"""What an option's name ends with that is given several values."""
_SHORT_OPTION = late_pattern(r"-(?:[A-Za-z]?[\d.]*|[a-z][a-z_-]{0,19}|[A-Za-z][\w.-]{0,40}=.+)")
_QUOTED = r"""(?:"(?:[^"\\]|\\.){0,1000}"|'[^']{0,1000}')"""
_VALUE = late_pattern(
    r"(?:(?:bearer|basic|token|digest|apikey|negotiate)\s+)?"
    r"""(?:\\{1,3}(?P<mark>["'])[^"'\\]{0,1000}\\{1,3}(?P=mark)|\{[^{}]{0,1000}\}"""
    # Any other mapping is looked into, for the names in it.
    r"""|(?!\{\s{0,20}(?:["'\\{]|[\w.-]{1,50}\s{0,20}:))"""
    rf"""(?:{_QUOTED}|\[[^\]]{{0,1000}}\]|[^\s"',;&}}\[]+)+)""",
    re.IGNORECASE,
)
_ARGUMENTS = late_pattern(rf"{_QUOTED}(?:\s{{0,20}},\s{{0,20}}{_QUOTED})*")
"""All texts that a call such as ``login('me', 'secret')`` is given."""
_FORMS = late_pattern(
    r"(?<=://)[^/?#\s]*@"
    r"|(?<=://)[^/?#\s:@]{0,256}:(?!\d+/)[^\s@]{0,256}@"
    r"|(?<=//)[^/?#\s:@]{1,256}:[^/?#\s@]{1,256}@"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<![A-Za-z0-9])(?:"
    r"sk-(?!learn)[\w-]{6,}"
    r"|hf_(?:(?=[a-z]*[0-9A-Z])[A-Za-z0-9]{8,}|[a-z]{20,})"
    r"|(?:AKIA|ASIA)[A-Z0-9]{12,}"
    r"|(?:gh[pousr]|github_pat)_\w{8,}"
    r"|npm_[A-Za-z0-9]{10,}|pypi-[\w-]{10,}|dop_v1_[0-9a-f]{10,}|nvapi-[\w-]{10,}"
    r"|SG\.[\w-]{8,}\.[\w-]{8,}|[sr]k_(?:live|test)_\w{8,}|r8_\w{20,}|gsk_\w{10,}|ya29\.[\w-]{10,}"
    r"|glpat-[\w-]{8,}|xox[abeprs]-[\w-]{8,}|AIza[\w-]{20,}"
    r"|glrt-(?=[A-Za-z_-]{0,40}\d)[\w-]{16,}|xapp-\d-[\w-]{8,}|dckr_pat_[\w-]{8,}|tskey-[\w-]{8,}"
    r"|shp(?:at|ca|pa|ss)_\w{8,}|dapi[0-9a-f]{32}|(?:xai|pplx)-[A-Za-z0-9]{20,}|whsec_[A-Za-z0-9+/=]{16,}"
    r"|AGE-SECRET-KEY-[A-Z0-9]{8,}"
    r"|eyJ[\w-]{5,1000}\.[\w-]{5,}\.[\w-]+)"
    r"|(?<=hooks\.slack\.com/)[\w/-]{8,}"
    r"|(?<=/api/webhooks/)[\w/-]{8,}|(?<=webhook\.office\.com/)[\w/@-]{8,}|(?<=api\.telegram\.org/bot)[\w:-]{8,}"
    r"|(?<![\w.:/@-])[\w.-]{1,64}:[^\s@/:]{1,256}@(?!sha\d{3}:)(?=[\w.-]{1,255}:)"
    r"|(?<=[Bb]earer )[\w.~+/=-]{12,}|(?<=Basic )[A-Za-z0-9+/]{12,}={0,2}"
)
_BY_PROGRAM = late_pattern(
    r"(?<![\w.-])(?:(?:mysql|mariadb)[\w-]{0,20}[\s\0](?:[^\n|;&]{0,200}[\s\0])?-p(?=[^\s\0-])"
    r"|sshpass[\s\0]+-p[\s\0]*"
    r"|redis-cli[\s\0](?:[^\n|;&]{0,200}[\s\0])?-a[\s\0]+"
    r"|(?:docker|podman|nerdctl|oras|helm[\s\0]registry)[\s\0]login[\s\0](?:[^\n|;&]{0,200}[\s\0])?-p[\s\0]*(?!-)"
    r"|(?:curl[\s\0](?:[^\n|;&]{0,400}[\s\0])?-[A-Za-z]{0,8}u|--(?:proxy-)?user)[\s\0=]*"
    r"[^\s\0:/]{1,100}:(?!\d+(?:[\s\0]|$)))"
    r"(?P<value>[^\s\0|;&]+)"
)
"""Options whose name says nothing, of programs that take a secret by them."""
_BY_WORD = late_pattern(
    r"(?<![\w.-])(?:--?|(?:config|configure)[\s\0])(?:define|option|override|param|set)[\s\0]+"
    r"(?P<name>[\w.-]{1,100})[\s\0]+(?P<value>[^\s\0|;&-][^\s\0|;&]*)"
)
"""A name that is itself given to an option: ``--set api_key X``."""
_PRINTED = late_pattern(
    r"(?<![\w.-])(?P<name>--?[A-Za-z][\w.-]{1,60})(?P<between>=|[ \t]+|['\"], ?(?=['\"]))"
    rf"(?P<value>{_QUOTED}|[^\s\"',;)\]]+)"
)
"""An option with its value, in the text of an error."""
_ADDRESS = late_pattern(r"(?:[A-Za-z][A-Za-z0-9+.-]{1,20}://|(?<=url: )/)[^\s\"'<>]{1,4000}")
_QUERY = late_pattern(r"(?<=[?&;#])(?P<name>[A-Za-z][\w.-]{0,60})=(?P<value>[^&;#)\]},]+)")
"""A name with its value behind the question mark of an address, as libraries for HTTP print it."""
_OF_TEXTS = late_pattern(r"-*keys?|.*(?:dir|file|path|url)s?", re.IGNORECASE)
"""Names of options whose value an error is about: a column, a place."""
_QUOTES_WORDS = late_pattern(
    r"(?:unrecogni[sz]ed|unknown|unexpected|extra)(?: extra)? arguments?(?: found)?:? ",
    re.IGNORECASE,
)
"""What stands before the words of a command line that a parser does not take."""


def load() -> None:
    """Compile every expression now: a training at its limit has no memory for that when an exception is to be told."""
    compile_now(globals())


def masked(words: Sequence[str]) -> tuple[str, ...]:
    """Return a command line with its secrets replaced by `MASK`."""
    shown = [_masked_word(word) for word in _without_those_of_words(words)]
    for place, word in enumerate(words):
        if _OPTION.fullmatch(word):
            given = _secrets_after(words, place)
            shown[place + 1 : place + 1 + given] = [MASK] * given
    return tuple(shown)


def _secrets_after(words: Sequence[str], place: int) -> int:
    """Return how many words after the option at ``place`` are a secret that it is given."""
    option, first = words[place], place + 1
    end = len(words) if _SEVERAL.search(option) else min(first + 1, len(words))
    for at in range(first, end):
        value = words[at]
        is_another = _is_another_option(option, value) if at == first else value.startswith("-")
        if is_another or not _is_secret(option, value):
            return at - first
    return end - first


def _without_those_of_words(words: Sequence[str]) -> list[str]:
    """Return ``words`` without what only the words before them make a secret; NUL stands between two of them."""
    line = "\0".join(word.replace("\0", " ") for word in words)
    for pattern in (_BY_PROGRAM, _BY_WORD):
        line = _without_values(line, pattern)
    return line.split("\0") if words else []


def _without_values(line: str, pattern: re.Pattern[str]) -> str:
    pieces, place = [], 0
    for match in pattern.finditer(line):
        name = match.groupdict().get("name")
        is_other = name is not None and (name in _PLAIN or not _is_secret(name, match["value"]))
        if is_other or match.start() < place:
            continue
        pieces += [line[place : match.start("value")], MASK]
        place = match.end()
        if "\0" in match[0]:  # the value is all of its word
            end = line.find("\0", place)
            place = len(line) if end < 0 else end
    return "".join([*pieces, line[place:]])


def _masked_word(word: str) -> str:
    given = _ASSIGNED.fullmatch(word)
    if given and given["value"] and _is_secret(given["name"], given["value"]):
        return word[: given.start("value")] + MASK
    return mask_text(word)


def _is_another_option(word: str, value: str) -> bool:
    """Whether what follows an option is no value of it; a password may begin with a dash."""
    found = _NAME.search(_parted(word))
    may_begin_so = found is not None and found["always"] is not None
    return value.startswith("--") or (
        not may_begin_so and _SHORT_OPTION.fullmatch(value) is not None
    )


def mask_text(text: str) -> str:
    """Return ``text`` with the secrets that it names, or that are known by their form, replaced by `MASK`."""
    pieces, place = [], 0
    for match in _GIVEN.finditer(text):
        name, is_by_blank = match["name"], match["between"].isspace()
        is_call = match["between"].startswith("(")
        if match.start() < place or (is_by_blank and not name.startswith("-")):
            continue
        is_named = _NAME.search(_parted(name)) or (is_call and name.endswith("login"))
        value = (_ARGUMENTS if is_call else _VALUE).match(text, match.end()) if is_named else None
        if value is None or (is_by_blank and _is_another_option(name, value[0])):
            continue
        is_column = name in _PLAIN and value[0].startswith("{")
        if is_call or (_is_secret(name, value[0]) and not is_column):
            pieces += [text[place : match.end()], MASK]
            place = value.end()
    return _FORMS.sub(_masked_form, "".join([*pieces, text[place:]]))


def mask_forms(text: str) -> str:
    """Return what a program printed, with the secrets that are known by their form replaced by `MASK`.

    By name only what an option of a command line that it quotes is given: ``KeyError: 'weights'`` gives nothing away.
    """
    quoted = _QUOTES_WORDS.search(text)
    begin = len(text) if quoted is None else quoted.end()

    def shown(match: re.Match[str]) -> str:
        value = match["value"]
        is_told = match.start() >= begin or match["between"].startswith(("'", '"'))
        is_credible = is_told or _is_no_word(value, is_joined=match["between"] == "=")
        is_own = not _OF_TEXTS.fullmatch(match["name"]) and not value.lstrip("\"'").startswith("-")
        is_secret = is_own and is_credible and _is_secret(match["name"], value)
        return f"{match['name']}{match['between']}{MASK}" if is_secret else match[0]

    shown_text = _ADDRESS.sub(_masked_address, _PRINTED.sub(shown, text))
    return _FORMS.sub(_masked_form, shown_text)


def _masked_address(match: re.Match[str]) -> str:
    """Return an address without the secrets that it names: ``https://host/path?api_key=***``."""

    def shown(query: re.Match[str]) -> str:
        is_secret = _is_secret(query["name"], query["value"])
        return f"{query['name']}={MASK}" if is_secret else query[0]

    return _QUERY.sub(shown, match[0])


def _is_no_word(value: str, *, is_joined: bool) -> bool:
    """Whether a value is none of a sentence (``--token is missing``), nor of a usage text (``--token=TOKEN``)."""
    bare = value.strip("\"'")
    if any(letter.isdigit() for letter in bare):
        return True
    return is_joined and not bare.startswith(("<", "[", "{")) and not bare.isupper()


def is_masked(words: Sequence[str]) -> bool:
    """Whether a recorded command line cannot be repeated, because something in it is masked."""
    return any(MASK in word for word in words)


def child_environment() -> dict[str, str]:
    """Return this process's environment without foldwatch's own secrets, for a process that it starts."""
    return {name: text for name, text in os.environ.items() if name not in SECRET_VARIABLES}


def _parted(name: str) -> str:
    """Return ``apiKeyFile`` as ``api_Key_File``."""
    return _CAPITAL.sub("_", name)


def _is_secret(name: str, value: str) -> bool:
    found = _NAME.search(_parted(name))
    if found is None or found["always"] or _OF_DATA.search(_parted(name)):
        return found is not None and found["always"] is not None
    is_word = _NO_SECRET.fullmatch(value.strip("\"'"))
    return is_word is None or (found["whole"] == "pin" and is_word[0].isdigit())


def _masked_form(match: re.Match[str]) -> str:
    return f"{MASK}@" if match[0].endswith("@") else MASK
