"""Signatures in words that many programs have, where none of the rows above knows the program that says them.

They count only where the line itself is written as an error, or names what was refused.
"""

from __future__ import annotations

from analyzer.signatures.rows import killed, own_limit
from analyzer.signatures.signature import ENOMEM, TASK_OR_MEMORY, Expression, Signature

IN_WORDS = "_in_words"
"""Ends the name of a row that takes the words of any program: beside a row that knows its program it says nothing."""
_CODE = Expression(r"^\s{2,}[\w.]+\(.*[\"'].*out of memory", ignore_case=True)
"""A line of code that says so, as a traceback shows it."""
_GPU = ("gpu_memory",)
_AS_ERROR = r"(?:\w*(?:Error|Exception|Failure)\b|\b(?:ERROR|FATAL|CRITICAL|[Ff]atal|error)\b|\[F\]|\b[Ff]ailed\b|\b[Cc]ould not\b|\bCheck failed\b|\bF\d{4} )"
"""In a line that is written as an error, in front of what it says."""
_OF_GPU = (
    r"(?:\b(?i:cuda|cu|hip|roc)\w*|\b(?:GPU|HBM|VRAM|MPS|XPU|NPU|SYCL|TPU|device memory)\b|CUDA)"
)

GENERAL_SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name=f"gpu_memory{IN_WORDS}",
        literals=("ut of memory", "nsufficient memory"),
        pattern=Expression(
            rf"{_AS_ERROR}[^\n]*{_OF_GPU}[^\n]*\b(?:[Oo]ut of memory|[Ii]nsufficient (?:GPU )?memory)\b|{_OF_GPU}[^\n]*{_AS_ERROR}[^\n]*\b[Oo]ut of memory\b"
        ),
        example="RuntimeError: [enforce fail at context_gpu.cu:415] error == cudaSuccess. 2 vs 0. Error at: /pytorch/caffe2/core/context_gpu.cu:415: out of memory",
        benign="profile: insufficient memory bandwidth on GPU 0 (71 %)",
        causes=_GPU,
        speaks_for=_GPU,
        # The last is the start of PyTorch's message, which a narrow terminal broke.
        look_alikes=(
            _CODE,
            Expression(r"on host: |\bhost memory\b|is not a failure|out of memory\. Tried\b"),
        ),
    ),
    Signature(
        name="xla_allocation",
        literals=("hat was not possibl",),
        pattern=Expression(r"Attempting to (?:allocate|reserve) [\d.]+\w\. That was not possible"),
        example="jaxlib.xla_extension.XlaRuntimeError: RESOURCE_EXHAUSTED: Attempting to allocate 3.05G. That was not possible. There are 2.11G free.; (0x0x0_HBM0)",
        benign="That was not possible on v3, so the mesh is 4x2",
        causes=_GPU,
        speaks_for=_GPU,
    ),
    # PyTorch asks NVML why an allocation failed, and fails once more as it does.
    Signature(
        name="nvml_assert",
        literals=("NVML_SUCCESS == r",),
        pattern=Expression(
            r"NVML_SUCCESS == r INTERNAL ASSERT FAILED at [^\n]*CUDACachingAllocator"
        ),
        example='RuntimeError: NVML_SUCCESS == r INTERNAL ASSERT FAILED at "/pytorch/c10/cuda/CUDACachingAllocator.cpp":838, please report a bug to PyTorch.',
        benign="TORCH_CHECK(NVML_SUCCESS == r)",
        causes=(*_GPU, "not_a_limit"),
        speaks_for=_GPU,
    ),
    Signature(
        name="ollama_memory",
        literals=("more system memory ",),
        pattern=Expression(r"\bmodel requires more system memory \([\d.]+ \w+\) than is available"),
        example="Error: model requires more system memory (9.3 GiB) than is available (5.2 GiB)",
        benign="sched: needs more system memory (9.3 GiB), unloading an idle model",
        causes=("host_memory", "cgroup_memory"),
        speaks_for=("host_memory",),
    ),
    # A supervisor that holds its workers to a limit of its own, and one that saw an OOM kill.
    own_limit(
        f"memory_limit{IN_WORDS}",
        " memory limit",
        r"\b(?i:(?:sub)?process|worker|task|job|container|run|replica|trial)\b[^\n]{0,60}\b(?:exceed(?:ed|s|ing)|reached|went over|is over)\b[^\n]{0,20}"
        r"\bmemory limit\b[^\n]{0,60}\b(?:kill|terminat|shutting)\w*|\b(?:kill|terminat)\w+\b[^\n]{0,30}\bexceed\w+ (?:the |its )?memory limit\b",
        "ERROR supervisor: worker 3 (pid 4242) exceeded its memory limit of 8 GiB, killing it",
        "supervisor: a worker above its memory limit is restarted between two batches",
    ),
    killed(
        f"oom_kill{IN_WORDS}",
        ("ut of memory", "ut of Memory", "ut Of Memory"),
        r"\b(?:was|been|got|is) (?:OOM-?)?(?:killed|terminated|evicted)\b[^\n]{0,20}\b(?:due to|because of|for|by)\b[^\n]{0,20}\b[Oo]ut [Oo]f [Mm]emory\b",
        "job fit-7: the container was terminated due to out of memory",
        "sweep: no trial ran out of memory, 12 are through",
        is_secondary=False,
    ),
    Signature(
        name=f"memory{IN_WORDS}",
        literals=(
            *("ut of memory", "Out of Memory", "emory exhausted", "nsufficient memory"),
            "annot allocate memo",
        ),
        pattern=Expression(
            rf"{_AS_ERROR}[^\n]*\b(?:(?:[Oo]ut of|Out of) [Mm]emory|[Mm]emory exhausted|[Ii]nsufficient memory)\b(?! bandwidth)"
            r"|^(?:\S+: )?[Oo]ut of memory(?:, \w| allocating|[.!]?\s*$)|^(?:\S+: )?(?:virtual )?memory exhausted"
            rf"|(?:{_AS_ERROR}|^(?!(?i:warn|info|note|debug))\S+: )[^\n]*\b[Cc]annot allocate memory(?: \((?:os error |errno )?12\))?[.!\"']*\s*$"
        ),
        example="duckdb.duckdb.OutOfMemoryException: Out of Memory Error: failed to allocate data of size 16.0 MiB (24.9 GiB/25.0 GiB used)",
        benign="glossary: OOM, out of memory; SIGKILL, signal 9",
        errno=12,
        causes=(*ENOMEM, *_GPU),
        look_alikes=(
            _CODE,
            Expression(
                r"\b(?:0|no|zero|not?) [^\n]{0,20}[Oo]ut of memory|is not a failure|\bmlock\b|\b[Hh]uge|\. Tried\b"
            ),
        ),
    ),
    Signature(
        name=f"thread{IN_WORDS}",
        literals=("temporarily unavail", "thread_resource_err"),
        pattern=Expression(
            r"(?i:\b(?:creat\w+|start\w*|spawn\w*|launch\w*|fork\w*)\b[^\n]{0,60}\bthreads?\b|\bthreads?\b[^\n]{0,60}\b(?:creat\w+|start\w*|spawn\w*|launch\w*)\b"
            r"|\bpthread_create\b|\btbb\b)[^\n]*\bResource temporarily unavailable|\bboost::thread_resource_error\b"
        ),
        example="QThread::start: Thread creation error: Resource temporarily unavailable",
        benign="zmq: recv on thread 3: Resource temporarily unavailable, polling again",
        errno=11,
        causes=TASK_OR_MEMORY,
    ),
)
