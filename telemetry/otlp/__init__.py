"""OpenTelemetry export: the metrics and log records of runs, pushed over OTLP/HTTP; never by a training itself."""
