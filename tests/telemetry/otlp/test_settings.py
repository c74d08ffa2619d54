"""The option and OpenTelemetry's variables: what they mean, what is refused, and that no secret is said or kept."""

from __future__ import annotations

import pytest

from telemetry.errors import InputError
from telemetry.otlp.settings import OtlpSettings, read_settings

SECRET = "S3CRET"  # noqa: S105 - looked for
ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
HEADERS = "OTEL_EXPORTER_OTLP_HEADERS"


def urls(settings: OtlpSettings) -> list[str]:
    return [endpoint.url for endpoint in settings.endpoints.values()]


@pytest.mark.parametrize(
    "given",
    ["http://h:4318", "http://h:4318/", "http://h:4318/v1/metrics", "http://h:4318/v1/logs/"],
)
def test_an_address_is_the_base_of_both_signals(given: str) -> None:
    """Also if it is one of a signal already."""
    assert urls(read_settings(given, {})) == ["http://h:4318/v1/metrics", "http://h:4318/v1/logs"]


def test_a_path_and_a_query_are_kept() -> None:
    """As Prometheus's receiver has the one, and some services the other."""
    found = urls(read_settings("https://h/api/v1/otlp?key=a", {}))
    assert found[0] == "https://h/api/v1/otlp/v1/metrics?key=a"


def test_the_variables_of_opentelemetry_are_asked_only_if_that_is_said() -> None:
    """An address in the option goes before; one for a signal is taken as it is."""
    variables = {ENDPOINT: "http://a:1/", "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://b:2/own"}
    assert urls(read_settings("env", {**variables})) == ["http://a:1/v1/metrics", "http://b:2/own"]
    assert urls(read_settings("http://c:3", {**variables}))[1] == "http://c:3/v1/logs"


def test_timeout_interval_and_compression() -> None:
    """In milliseconds, as the specification has it, and a second at least; the one for a signal first."""
    variables = {
        "OTEL_EXPORTER_OTLP_TIMEOUT": "10",
        "OTEL_EXPORTER_OTLP_LOGS_TIMEOUT": "2500",
        "OTEL_METRIC_EXPORT_INTERVAL": "60000",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    }
    settings = read_settings("http://h", variables)
    assert [one.seconds for one in settings.endpoints.values()] == [1.0, 2.5]
    assert settings.interval == 60
    assert not settings.endpoints["metrics"].is_gzipped


def test_a_signal_may_be_switched_off_and_all_of_it() -> None:
    """As for a receiver that takes no logs."""
    assert [*read_settings("http://h", {"OTEL_LOGS_EXPORTER": "none"}).endpoints] == ["metrics"]
    off = {"OTEL_SDK_DISABLED": "true", ENDPOINT: "http://h"}
    assert not read_settings("env", off).endpoints


def test_resource_attributes() -> None:
    """Decoded; the service's own variable goes before."""
    variables = {
        "OTEL_RESOURCE_ATTRIBUTES": "service.name=a,team=x%2Cy, empty= ",
        "OTEL_SERVICE_NAME": "b",
    }
    assert read_settings("http://h", variables).resource == {"service.name": "b", "team": "x,y"}


def test_headers_are_decoded_and_taken_out_of_the_environment() -> None:
    """Nothing that is started later has them; foldwatch's own variable leaves those of others alone."""
    variables = {HEADERS: f"Api-Key={SECRET}%20,x=1", "PATH": "/bin"}
    settings = read_settings("http://h", variables)
    assert settings.endpoints["logs"].headers == {"api-key": f"{SECRET} ", "x": "1"}
    assert variables == {"PATH": "/bin"}
    assert SECRET not in repr(settings)
    both = {HEADERS: "a=1", "FOLDWATCH_OTLP_HEADERS": "b=2"}
    assert read_settings("http://h", both).endpoints["metrics"].headers == {"b": "2"}
    assert both == {HEADERS: "a=1"}


@pytest.mark.parametrize(
    ("option", "variables", "words"),
    [
        ("h:4318", {}, "--otlp: an address that begins with http:// or https://"),
        (f"grpc://{SECRET}@h", {}, "--otlp: an address that begins with"),
        ("env", {}, f"{ENDPOINT} is not set"),
        ("env", {ENDPOINT: SECRET}, f"{ENDPOINT}: an address"),
        ("env", {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http/protobuf alone"),
        ("http://h", {HEADERS: f"a=1,{SECRET}"}, f"{HEADERS}: pair 2 is no NAME=VALUE"),
        ("http://h", {HEADERS: f"a b={SECRET}"}, f"{HEADERS}: pair 1"),
        ("http://h", {HEADERS: f"a={SECRET}%0d%0aHost:x"}, f"{HEADERS}: pair 1"),
        ("http://h", {"OTEL_RESOURCE_ATTRIBUTES": SECRET}, "OTEL_RESOURCE_ATTRIBUTES: pair 1"),
        ("http://h", {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "whole milliseconds"),
    ],
)
def test_what_cannot_be_used_is_named_and_no_secret_repeated(
    option: str, variables: dict[str, str], words: str
) -> None:
    """Before anything runs."""
    with pytest.raises(InputError) as caught:
        read_settings(option, variables)
    assert words in str(caught.value)
    assert SECRET not in str(caught.value)
