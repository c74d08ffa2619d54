"""`read_settings`: where OTLP goes and how, from an option and OpenTelemetry's environment variables.

Headers and addresses hold secrets: no message repeats them, and what is used is taken out of the environment, so that
no process that is started later has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from telemetry.alerts.http_post import checked_address
from telemetry.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

OPTION = "--otlp"
FROM_ENVIRONMENT = "env"
"""The value of the option that takes the address from OpenTelemetry's own variables."""
SIGNALS = ("metrics", "logs")
OWN_HEADERS = "FOLDWATCH_OTLP_HEADERS"
TIMEOUT_SECONDS = 10.0
INTERVAL_SECONDS = 10.0
LONGEST_SECONDS = 3600.0
SHORTEST_SECRET = 4
_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where one signal goes."""

    signal: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    seconds: float = TIMEOUT_SECONDS
    """For a request in all."""
    is_gzipped: bool = True

    @property
    def secrets(self) -> list[str]:
        """The words that no message may repeat, the longest first."""
        parts = urlsplit(self.url)
        found = [part for value in self.headers.values() for part in (value, *value.split())]
        found += [parts.username or "", parts.password or "", parts.query]
        return sorted((one for one in found if len(one) >= SHORTEST_SECRET), key=len, reverse=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtlpSettings:
    """What is exported, where to, and in whose name."""

    endpoints: Mapping[str, Endpoint]
    """By signal; one that is switched off has none."""
    interval: float = INTERVAL_SECONDS
    """Seconds between two pushes of the metrics."""
    resource: Mapping[str, str] = field(default_factory=dict)
    """Attributes that the user gives every resource."""


def read_settings(option: str, environment: MutableMapping[str, str]) -> OtlpSettings:
    """Return the settings; headers are taken out of ``environment``.

    Args:
        option: The base address of a receiver, or FROM_ENVIRONMENT.
        environment: Of this process.

    Raises:
        InputError: Something in them cannot be used; the message names it and repeats no secret.
    """
    if option == FROM_ENVIRONMENT and environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return OtlpSettings(endpoints={})
    if option == FROM_ENVIRONMENT:
        _check_protocol(environment)
    headers = _headers(environment)
    return OtlpSettings(
        endpoints={
            signal: Endpoint(
                signal=signal,
                url=_url(option, signal, environment),
                headers=headers[signal],
                seconds=_seconds(environment, *_names(signal, "TIMEOUT"), default=TIMEOUT_SECONDS),
                is_gzipped=_first(environment, *_names(signal, "COMPRESSION")) != "none",
            )
            for signal in SIGNALS
            if environment.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip() != "none"
        },
        interval=_seconds(environment, "OTEL_METRIC_EXPORT_INTERVAL", default=INTERVAL_SECONDS),
        resource=_resource(environment),
    )


def _names(signal: str, name: str) -> tuple[str, str]:
    """Return the variables that say it, the one for this signal alone first."""
    return f"OTEL_EXPORTER_OTLP_{signal.upper()}_{name}", f"OTEL_EXPORTER_OTLP_{name}"


def _first(environment: Mapping[str, str], *names: str) -> str:
    return next((text for name in names if (text := environment.get(name, "").strip())), "")


def _check_protocol(environment: Mapping[str, str]) -> None:
    for signal in SIGNALS:
        for name in _names(signal, "PROTOCOL"):
            if environment.get(name, "").strip() not in {"", "http/protobuf"}:
                raise InputError(
                    f"{name}: foldwatch speaks http/protobuf alone; name such a receiver: {OPTION} URL"
                )


def _url(option: str, signal: str, environment: Mapping[str, str]) -> str:
    """Return the address for one signal. Raises InputError."""
    if option != FROM_ENVIRONMENT:
        return _with_path(checked_address(option, OPTION), signal)
    own, base = _names(signal, "ENDPOINT")
    if url := environment.get(own, "").strip():
        return checked_address(url, own)  # as it is, so says the specification
    if url := environment.get(base, "").strip():
        return _with_path(checked_address(url, base), signal)
    raise InputError(f"{OPTION} {FROM_ENVIRONMENT}: {base} is not set")


def _with_path(base: str, signal: str) -> str:
    """Return the address of a signal below a base address, which may be one of a signal already."""
    parts = urlsplit(base)
    path = parts.path.rstrip("/")
    for known in (*SIGNALS, "traces"):
        path = path.removesuffix(f"/v1/{known}")
    return parts._replace(path=f"{path}/v1/{signal}", fragment="").geturl()


def _headers(environment: MutableMapping[str, str]) -> dict[str, dict[str, str]]:
    """Return the headers by signal, and take them out of the environment. Raises InputError."""
    found: dict[str, dict[str, str]] = {}
    used = set()
    for signal in SIGNALS:
        names = (OWN_HEADERS, *_names(signal, "HEADERS"))
        name = next((name for name in names if environment.get(name, "").strip()), "")
        found[signal] = _pairs(environment.get(name, ""), name, is_header=True)
        used.add(name)
    for name in used:
        environment.pop(name, None)
    return found


def _resource(environment: Mapping[str, str]) -> dict[str, str]:
    name = "OTEL_RESOURCE_ATTRIBUTES"
    found = {key: text for key, text in _pairs(environment.get(name, ""), name).items() if text}
    if service := environment.get("OTEL_SERVICE_NAME", "").strip():
        found["service.name"] = service
    return found


def _pairs(text: str, variable: str, *, is_header: bool = False) -> dict[str, str]:
    """Read ``a=b,c=d``, where what is percent-encoded is decoded. Raises InputError, which repeats nothing of it."""
    found = {}
    for number, pair in enumerate(filter(str.strip, text.split(",")), start=1):
        name, equals, value = (part.strip() for part in pair.partition("="))
        value = unquote(value)
        if is_header:
            name = name.lower()
            is_usable = name != "" and _TOKEN.issuperset(name) and value.isprintable()
            is_usable &= value.isascii()
        else:
            name, is_usable = unquote(name), True
        if not equals or not name or not is_usable:
            raise InputError(f"{variable}: pair {number} is no NAME=VALUE, comma-separated")
        found[name] = value
    return found


def _seconds(environment: Mapping[str, str], *names: str, default: float) -> float:
    """Return seconds from variables in milliseconds, a second at least. Raises InputError."""
    for name in names:
        if text := environment.get(name, "").strip():
            if not (text.isascii() and text.isdigit() and len(text) < 10):
                raise InputError(f"{name}: whole milliseconds are needed")
            return min(LONGEST_SECONDS, max(1.0, int(text) / 1000))
    return default
