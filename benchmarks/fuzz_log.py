"""An atheris target: any bytes as a log. No exception but a refusal, no line refused in silence.

    nice .venv/bin/python -m benchmarks.fuzz_log -max_total_time=1200 -rss_limit_mb=1024 CORPUS

Atheris is not among the development tools: pip install atheris.
"""

from __future__ import annotations

import io
import sys

import atheris

with atheris.instrument_imports(include=["analyzer", "telemetry.thread_line"]):
    from analyzer.processes.from_log import read_log
    from telemetry.errors import InputError

MARKER = b"[THREADS]"


def one_input(content: bytes) -> None:
    """Read ``content``; what stands on a line of its own is a sample or a refused line."""
    try:
        table = read_log("fuzz.log", io.BytesIO(content))
    except InputError as error:
        if MARKER in content and not content.startswith(
            (b"\x1f\x8b", b"BZh", b"\xfd7z", b"\x28\xb5")
        ):
            raise AssertionError("a log with a [THREADS] line was refused") from error
        return
    (source,) = table.sources
    samples = sum(len(process.checkpoints) for process in table.processes)
    if samples != source.checkpoints:
        raise AssertionError(f"{samples} of {source.checkpoints} samples are in a process")
    lines = {skipped.line for skipped in source.skipped}
    lines |= {line for process in table.processes for line in process.checkpoints.lines}
    packed = content.startswith((b"\x1f\x8b", b"BZh", b"\xfd7z", b"\x28\xb5"))
    joined = b'{"log":"' in content or b" stdout " in content or b" stderr " in content
    if packed or joined:
        return
    for number, line in enumerate(content.split(b"\n"), start=1):
        if MARKER in line and number not in lines:
            raise AssertionError(f"line {number} is in no count: {line!r}")


def main() -> None:
    """Run until the options of libFuzzer say to stop."""
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
