"""What a process, a shell, a launcher or a CI says last of a run that failed: that it did, not why."""

from __future__ import annotations

from analyzer.signatures.rows import native, summary
from analyzer.signatures.signature import NOT_A_LIMIT, Expression, Signature

ENDING_SIGNATURES: tuple[Signature, ...] = (
    native(
        "fatal_python_error",
        "Fatal Python error",
        r"Fatal Python error: (?P<reason>[^\n]+)",
        "Fatal Python error: Segmentation fault",
    ),
    native(
        "heap_corruption",
        "double free or corruption",
        r"double free or corruption",
        "double free or corruption (!prev)",
        "SIGABRT",
    ),
    native(
        "malloc_corruption",
        ("malloc(): ", "free(): ", "realloc(): ", "munmap_chunk(): "),
        r"^(?:\S+: )?(?:malloc|free|realloc|munmap_chunk|corrupted double-linked list)\(\): (?:corrupted|invalid|unaligned|unsorted|mismatching|memory corruption|largebin)",
        "malloc(): corrupted top size",
        "SIGABRT",
    ),
    native(
        "illegal_instruction",
        "llegal instruction",
        r"^\s*Illegal instruction|: line \d+: +\d+ Illegal instruction",
        "Illegal instruction (core dumped)",
        "SIGILL",
    ),
    native(
        "fish_signal",
        "terminated by signal SIG",
        r"terminated by signal SIG(?!KILL)\w+",
        "fish: Job 1, 'python run.py --amp' terminated by signal SIGSEGV (Address boundary error)",
    ),
    native(
        "panic_line",
        "panic: ",
        r"^panic: \S",
        "panic: runtime error: index out of range [128] with length 128",
    ),
    native(
        "caught_signal",
        "aught signal",
        r"[Cc]aught signal \d+ \((?!SIGTERM|Terminated)",
        "Caught signal 11 (Segmentation fault: address not mapped to object at address (nil))",
    ),
    native(
        "cmake_error",
        "CMake Error",
        r"^CMake Error",
        "CMake Error at /usr/share/cmake-3.22/Modules/FindPackageHandleStandardArgs.cmake:230 (message):",
    ),
    native(
        "srun_signal",
        (": task ", ": tasks "),
        r"srun: error: \S+: tasks? [\d,-]+: (?!Killed|Out Of Memory|Terminated|Exited)[A-Z]\w+",
        "srun: error: cn0331: task 5: Segmentation fault (core dumped)",
    ),
    native(
        "segmentation_fault",
        "egmentation fault",
        r"^\s*(?:\S+: )?Segmentation fault\b(?: \(core dumped\))?\s*$|: line \d+: +\d+ Segmentation fault|Segmentation fault \(core dumped\)|segmentation fault (?:\(core dumped\) )?\s*\S",
        "Segmentation fault (core dumped)",
        "SIGSEGV",
    ),
    Signature(
        name="bus_error",
        literals=("us error",),
        pattern=Expression(r"^\s*Bus error\b|: line \d+: +\d+ Bus error|task \d+: Bus error"),
        example="Bus error (core dumped)",
        signal="SIGBUS",
        causes=("shared_memory", NOT_A_LIMIT),
    ),
    native(
        "aborted",
        "borted",
        r"^\s*Aborted(?: \(core dumped\))?\s*$|: line \d+: +\d+ Aborted\b",
        "Aborted (core dumped)",
        "SIGABRT",
    ),
    native(
        "llvm_error",
        "LLVM ERROR",
        r"LLVM ERROR: ",
        "LLVM ERROR: Unable to find target for this triple",
    ),
    native(
        "check_failed",
        "Check failed: ",
        r"(?:\bF\d{4} .*|: F \S+\.cc:\d+\] |^)Check failed: (?!re[ts] == 0)",
        "F0101 file.cc:12] Check failed: x == y (1 vs. 2)",
        "SIGABRT",
    ),
    native(
        "cpp_terminate",
        "terminate called",
        r"terminate called after throwing an instance of '(?!std::system_error|std::bad_alloc)",
        "terminate called after throwing an instance of 'std::runtime_error'",
        "SIGABRT",
    ),
    native(
        "rust_panic",
        "panicked at",
        r"^thread '[^']*' panicked at|\bpanicked at ",
        "thread 'main' panicked at src/main.rs:4:5:",
    ),
    native("go_panic", "goroutine", r"goroutine \d+ \[running\]", "goroutine 1 [running]:"),
    native(
        "java_exception",
        "Exception in thread",
        r"Exception in thread \"",
        'Exception in thread "main" java.lang.NullPointerException',
    ),
    native(
        "node_throw",
        "throw er;",
        r"throw er; // Unhandled",
        "      throw er; // Unhandled 'error' event",
    ),
    summary("r_halted", "Execution halted", r"^Execution halted", "Execution halted"),
    Signature(
        name="shell_terminated",
        literals=("Terminated", "] terminated", "+ terminated"),
        pattern=Expression(
            r": line \d+: +(?P<pid>\d+) Terminated\b|^\s*Terminated\s*$|^\[\d+\]\s*[+-]?\s*\d* ?[Tt]erminated\b"
        ),
        example="/srv/train.sh: line 7: 322603 Terminated              python3 main.py --fast",
        signal="SIGTERM",
        causes=("interrupted", "not_a_limit"),
        is_secondary=True,
        is_generic=True,
    ),
    summary(
        "exit_status",
        (
            *("xit code", "xit status", "xitcode", "xit Code", "EXIT CODE"),
            *("eturn code", "eturned non-zero exit", "xited with code", "xited with status"),
        ),
        r"(?i:\bexit(?:ed|s|ing)?\b(?: with)?(?: return| non-zero exit| exit)?[ _-]?(?:code|status)?\s*[:=]?\s+\(?(?!137\b)[1-9]\d{0,2}\b(?!\s*(?:of|ms|s\b|/)))"
        r"|(?i:return(?:ed)? (?:code|non-zero exit (?:code|status)):?\s*=?\s*(?!137\b)-?[1-9]\d{0,2}\b)"
        r"|(?i:\bcode\s*[=:]\s*-(?!9\b|7\b)\d{1,2}\b)"
        r"|(?i:exit ?code\s*:\s+(?!137\b)-?[1-9]\d{0,2}\b)",
        "srun: error: node7: task 0: Exited with exit code 1",
    ),
    summary(
        "exited_on_signal",
        "ignal ",
        r"(?:exited on|terminated by|killed by|died (?:from|of|with)|exited prematurely:?(?: with)?|exited with) '?[Ss]ignal \d+",
        "mpirun noticed that process rank 7 with PID 0 on node trainbox exited on signal 11 (Segmentation fault).",
    ),
    summary(
        "mpich_termination",
        "EXIT STRING",
        r"TERMINATED WITH THE EXIT STRING: \S",
        "YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Segmentation fault (signal 11)",
    ),
    summary(
        "make_error",
        "make",
        r"^\s*make.*\*\*\* .*\bError (?!137\b)\d+",
        "make: *** [Makefile:3: train] Error 1",
    ),
    summary("npm_error", "npm ERR!", r"npm ERR! (?:code|errno)", "npm ERR! code ELIFECYCLE"),
    summary(
        "child_failed",
        "ChildFailedError",
        r"(?:^|[.\s])ChildFailedError: *$",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
    ),
    summary(
        "spark_aborting",
        "aborting job",
        r"Task \S+ in stage \S+ failed \d+ times; aborting job",
        "ERROR TaskSetManager: Task 1 in stage 0.0 failed 4 times; aborting job",
    ),
    summary("github_error", "##[error]", r"##\[error\]", "##[error]Bash failed."),
    summary(
        "gitlab_failed",
        "ERROR: Job failed",
        r"ERROR: Job failed",
        "ERROR: Job failed (system failure): prepare environment",
    ),
    summary(
        "process_raised",
        "ProcessRaisedException",
        r"\bProcessRaisedException\b",
        "torch.multiprocessing.spawn.ProcessRaisedException:",
    ),
)
