"""What a process, a shell, a launcher or a CI says last of a run that failed: that it did, not why."""

from __future__ import annotations

from analyzer.signatures.rows import native, summary
from analyzer.signatures.signature import NOT_A_LIMIT, Expression, Signature

ENDING_SIGNATURES: tuple[Signature, ...] = (
    # Memory that is not there: of /dev/shm, which is full, or of a mapped file that is shorter than it was.
    Signature(
        name="bus_error",
        literals=("us error", "signal SIGBUS"),
        pattern=Expression(
            r"(?:^\s*|\])Bus error\b|: line \d+: +\d+ Bus error|tasks? [\d,-]+: Bus error|\] Signal: Bus error"
            r"|[Cc]aught signal \d+ \(Bus error|Fatal Python error: Bus error|signal \(7\): Bus error|terminated by signal SIGBUS"
        ),
        example="Bus error (core dumped)",
        benign="0 blocks with previous errors",
        signal="SIGBUS",
        causes=("shared_memory", NOT_A_LIMIT),
    ),
    # Of glog, and of Paddle, which says in words what the signal means.
    Signature(
        name="glog_bus_error",
        literals=("SIGBUS (@", "undefined portion o"),
        pattern=Expression(
            r"\bSIGBUS \(@\w+\) received by PID|`Access to an undefined portion of a memory object` is detected"
        ),
        example="*** SIGBUS (@0x7f1c2a3ff000) received by PID 904 (TID 0x7f1c9e4c1740) from PID 708833280; stack trace: ***",
        benign="trap: SIGBUS (@handler) is installed",
        signal="SIGBUS",
        causes=("shared_memory", NOT_A_LIMIT),
    ),
    native(
        "glog_signal",
        (") received by PID", "is detected by the "),
        r"\*\*\* SIG(?!TERM|INT|HUP|BUS)\w+ \(@\w+\) received by PID \d+|`(?!Termination)[A-Z][\w ]+` is detected by the operating system",
        "*** SIGSEGV (@0x0) received by PID 42 (TID 0x7f0c1b7fe700) from PID 0; stack trace: ***",
        "*** SIGUSR1 (ignored) received by PID 42",
    ),
    native(
        "fatal_python_error",
        "Fatal Python error",
        r"Fatal Python error: (?P<reason>[^\n]+)",
        "Fatal Python error: Segmentation fault",
        'faulthandler: if the interpreter dies, "Fatal Python error: ..." and the stack go to stderr',
    ),
    native(
        "heap_corruption",
        "double free or corruption",
        r"double free or corruption",
        "double free or corruption (!prev)",
        "* tokenizers 0.19.1 fixes a double free or corruption in the decoder (#1182)",
        signal="SIGABRT",
    ),
    native(
        "malloc_corruption",
        ("malloc(): ", "free(): ", "realloc(): ", "munmap_chunk(): "),
        r"^(?:\S+: )?(?:malloc|free|realloc|munmap_chunk|corrupted double-linked list)\(\): (?:corrupted|invalid|unaligned|unsorted|mismatching|memory corruption|largebin)",
        "malloc(): corrupted top size",
        "heaptrack: malloc(): 1,204 calls, free(): 1,204 calls",
        signal="SIGABRT",
    ),
    native(
        "illegal_instruction",
        "llegal instruction",
        r"(?:^\s*|\])Illegal instruction|: line \d+: +\d+ Illegal instruction",
        "Illegal instruction (core dumped)",
        "AVX512 is off, so that older nodes run into no illegal instruction",
        signal="SIGILL",
    ),
    native(
        "fish_signal",
        "terminated by signal SIG",
        r"terminated by signal SIG(?!KILL)\w+",
        "fish: Job 1, 'python run.py --amp' terminated by signal SIGSEGV (Address boundary error)",
        "restart policy: only if terminated by signal SIGSEGV or SIGABRT",
    ),
    native(
        "panic_line",
        "panic: ",
        r"^panic: \S",
        "panic: runtime error: index out of range [128] with length 128",
        "kernel.panic: 10 s until the reboot",
    ),
    native(
        "caught_signal",
        "aught signal",
        r"[Cc]aught signal \d+ \((?!SIG(?:TERM|USR|HUP|CONT|CHLD)|Terminated|User defined|Hangup)",
        "Caught signal 11 (Segmentation fault: address not mapped to object at address (nil))",
        "PID 42 caught signal 10 (SIGUSR1), writing a checkpoint",
    ),
    native(
        "openmpi_signal",
        "] Signal: ",
        r"\] Signal: (?!Terminated|User defined|Hangup|Interrupt|Child)[A-Z][\w ]+ \(\d+\)\s*$",
        "[node1:00071] Signal: Segmentation fault (11)",
        "[gui] Signal: clicked (1)",
    ),
    native(
        "cmake_error",
        "CMake Error",
        r"^CMake Error",
        "CMake Error at /usr/share/cmake-3.22/Modules/FindPackageHandleStandardArgs.cmake:230 (message):",
        '+ grep -c "CMake Error" build.log',
    ),
    native(
        "srun_signal",
        (": task ", ": tasks "),
        r"srun: error: \S+: tasks? [\d,-]+: (?!Killed|Out Of Memory|Terminated|Exited)[A-Z]\w+",
        "srun: error: cn0331: task 5: Segmentation fault (core dumped)",
        "srun: launch/slurm: launch_p_step_launch: task 5: starts on cn0331",
    ),
    native(
        "segmentation_fault",
        "egmentation fault",
        r"^\s*(?:\S+: )?Segmentation fault\b(?: \(core dumped\))?\s*$|: line \d+: +\d+ Segmentation fault|Segmentation fault \(core dumped\)|(?:: |\d +)segmentation fault (?:\(core dumped\) )?\s*\S",
        "Segmentation fault (core dumped)",
        "installed a segmentation fault handler (faulthandler)",
        signal="SIGSEGV",
    ),
    native(
        "aborted",
        "borted",
        r"(?:^\s*|\])Aborted(?: \(core dumped\))?\s*$|: line \d+: +\d+ Aborted\b",
        "Aborted (core dumped)",
        "12 of 40 transfers were aborted and resumed",
        signal="SIGABRT",
    ),
    native(
        "llvm_error",
        "LLVM ERROR",
        r"LLVM ERROR: ",
        "LLVM ERROR: Unable to find target for this triple",
        'numba raises an exception instead of "LLVM ERROR: "',
    ),
    native(
        "check_failed",
        "Check failed: ",
        r"(?:\bF\d{4} .*|: F \S+\.cc:\d+\] |^)Check failed: (?!re[ts] == 0)",
        "F0101 file.cc:12] Check failed: x == y (1 vs. 2)",
        "preflight Check failed: 0, passed: 12",
        signal="SIGABRT",
    ),
    # The watchdog of a rank ends it so, for what it or another rank did before.
    native(
        "nccl_terminate",
        "terminate called",
        r"terminate called after throwing an instance of 'c10::DistBackendError'",
        "terminate called after throwing an instance of 'c10::DistBackendError'",
        "ranks: terminate called after close(), no c10::DistBackendError",
        signal="SIGABRT",
        is_generic=False,
        is_secondary=True,
    ),
    native(
        "cpp_terminate",
        "terminate called",
        r"terminate called after throwing an instance of '(?!std::system_error|std::bad_alloc)",
        "terminate called after throwing an instance of 'std::runtime_error'",
        "multiprocessing.pool: terminate called after close(), 4 workers joined",
        signal="SIGABRT",
    ),
    native(
        "rust_panic",
        "panicked at",
        r"^thread '[^']*' panicked at|\bpanicked at ",
        "thread 'main' panicked at src/main.rs:4:5:",
        'panic hook: "panicked at" and a backtrace go to /tmp/panic.log',
    ),
    native(
        "go_panic",
        "goroutine",
        r"goroutine \d+ \[running\]",
        "goroutine 1 [running]:",
        "goroutine profile: total 42",
    ),
    native(
        "java_exception",
        "Exception in thread",
        r"Exception in thread \"",
        'Exception in thread "main" java.lang.NullPointerException',
        "log4j: handlers for Exception in thread pools are set",
    ),
    native(
        "node_throw",
        "throw er;",
        r"throw er; // Unhandled",
        "      throw er; // Unhandled 'error' event",
        "      if (er) throw er;",
    ),
    summary(
        "r_halted",
        "Execution halted",
        r"^Execution halted",
        "Execution halted",
        'Rscript: prints "Execution halted" once a script fails',
    ),
    Signature(
        name="shell_terminated",
        literals=("Terminated", "] terminated", "+ terminated"),
        pattern=Expression(
            r": line \d+: +(?P<pid>\d+) Terminated\b|(?:^\s*|\])Terminated\s*$|^\[\d+\]\s*[+-]?\s*\d* ?[Tt]erminated\b"
            r"|^make\S*: \*\*\* \[[^\]]*\] Terminated\b"
        ),
        example="/srv/train.sh: line 7: 322603 Terminated              python3 main.py --fast",
        benign="Terminated 3 idle kernels",
        signal="SIGTERM",
        causes=("interrupted", "not_a_limit"),
        is_secondary=True,
        is_generic=True,
    ),
    summary(
        "exit_status",
        (
            *("xit code", "xit status", "xitcode", "xit Code", "EXIT CODE"),
            *("eturn code", "eturned non-zero exit", "xited with ", "Process exited "),
            *("+ exit ", "+ rc="),
            '"ExitCode":',
        ),
        r"(?i:\bexit(?:ed|s|ing)?\b(?: with)?(?: return| non-zero exit| non-zero| exit)?[ _-]?(?:code|status(?: code)?)?\s*[:=]?\s+\(?(?!137\b)[1-9]\d{0,2}\b(?!\s*(?:of|ms|s\b|/)))"
        r"|(?i:return(?:ed)? (?:code|non-zero exit (?:code|status)):?\s*=?\s*(?!137\b)-?[1-9]\d{0,2}\b)"
        r"|(?i:\bcode\s*[=:]\s*-(?!9\b|7\b)\d{1,2}\b)"
        r"|(?i:exit ?code\s*:\s+(?!137\b)-?[1-9]\d{0,2}\b)"
        r"|\"ExitCode\":\s*(?!137\b)[1-9]\d{0,2}\b|^\++ (?:exit |rc=)(?!137\b)[1-9]\d{0,2}\s*$",
        "srun: error: node7: task 0: Exited with exit code 1",
        "exit codes: 0 = trained, 1 = wrong usage, 2 = no data",
    ),
    Signature(
        name="exited_on_sigterm",
        literals=("ignal 15",),
        pattern=Expression(
            r"(?:exited on|terminated by|killed by|died (?:from|of|with)|exited prematurely:?(?: with)?|exited with) '?[Ss]ignal 15\b"
        ),
        example="mpirun noticed that process rank 0 with PID 7 on node n3 exited on signal 15 (Terminated).",
        benign="stop: signal 15 first, 30 s later signal 9",
        signal="SIGTERM",
        causes=("interrupted", NOT_A_LIMIT),
        is_secondary=True,
        is_generic=True,
        at_any_level=True,
        looks_above=True,
    ),
    summary(
        "exited_on_signal",
        "ignal ",
        r"(?:exited on|terminated by|killed by|died (?:from|of|with)|exited prematurely:?(?: with)?|exited with) '?[Ss]ignal \d+",
        "mpirun noticed that process rank 7 with PID 0 on node trainbox exited on signal 11 (Segmentation fault).",
        "SNR 12.1 dB, signal 11 of 40 is kept",
    ),
    summary(
        "mpich_termination",
        "EXIT STRING",
        r"TERMINATED WITH THE EXIT STRING: \S",
        "YOUR APPLICATION TERMINATED WITH THE EXIT STRING: Segmentation fault (signal 11)",
        "hydra: EXIT STRING is empty, all ranks returned 0",
    ),
    summary(
        "make_error",
        "make",
        r"^\s*make.*\*\*\* .*\bError (?!137\b)\d+",
        "make: *** [Makefile:3: train] Error 1",
        "make: Nothing to be done for 'train'.",
    ),
    summary(
        "npm_error",
        "npm ERR!",
        r"npm ERR! (?:code|errno)",
        "npm ERR! code ELIFECYCLE",
        "+ grep -c 'npm ERR!' build.log",
    ),
    summary(
        "child_failed",
        "ChildFailedError",
        r"(?:^|[.\s])ChildFailedError: *$",
        "torch.distributed.elastic.multiprocessing.errors.ChildFailedError:",
        "from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, record",
    ),
    summary(
        "spark_aborting",
        "aborting job",
        r"Task \S+ in stage \S+ failed \d+ times; aborting job",
        "ERROR TaskSetManager: Task 1 in stage 0.0 failed 4 times; aborting job",
        "TaskSetManager: not aborting job 7, 3 attempts are left",
    ),
    summary(
        "github_error",
        "##[error]",
        r"##\[error\]",
        "##[error]Bash failed.",
        "annotations are written with ::warning instead of ##[error]",
    ),
    summary(
        "gitlab_failed",
        "ERROR: Job failed",
        r"ERROR: Job failed",
        "ERROR: Job failed (system failure): prepare environment",
        'after_script runs even if "ERROR: Job failed" is printed',
    ),
    summary(
        "process_raised",
        "ProcessRaisedException",
        r"\bProcessRaisedException\b",
        "torch.multiprocessing.spawn.ProcessRaisedException:",
        "from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException",
    ),
)
