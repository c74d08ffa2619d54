"""Steps that fit what a message itself says: the option of the very scheduler, runtime or library."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping

Step: TypeAlias = tuple[str, str | None]

MESSAGES: Mapping[str, tuple[Step, ...]] = {
    "ray_memory": (
        (
            "give each task more CPUs, so that fewer run in parallel on a node",
            "@ray.remote(num_cpus=4)",
        ),
        (
            "let Ray kill later, where the node's memory is page cache",
            "RAY_memory_usage_threshold=0.98",
        ),
    ),
    "ray_store": (
        (
            "give Ray's object store more of /dev/shm, let it spill, or drop references to what is in it",
            "ray.init(object_store_memory=20 * 2**30); ray memory",
        ),
    ),
    "dask_memory": (
        (
            "give each worker more memory, or run fewer workers on a host",
            "dask worker --memory-limit 16GB --nworkers 2",
        ),
    ),
    "slurm_memory": (("ask Slurm for more memory", "#SBATCH --mem=64G"),),
    "lsf_memory": (("ask LSF for more memory", "bsub -M 64GB -R 'rusage[mem=64GB]'"),),
    "lsf_threads": (("raise LSF's limit on threads", "bsub -T 4096"),),
    "pbs_memory": (("ask PBS for more memory", "qsub -l mem=64gb"),),
    "condor_memory": (("ask HTCondor for more memory", "request_memory = 64GB"),),
    "sge_memory": (("ask the grid engine for more memory", "qsub -l h_vmem=32G"),),
    "files_of_the_system": (
        ("raise the host's limit on open files", "sysctl -w fs.file-max=2097152"),
    ),
    "yarn_memory": (
        (
            "give the executor more memory outside its heap: Python's is there",
            "--conf spark.executor.memoryOverhead=4g --executor-memory 8g",
        ),
    ),
    "sysv_memory": (
        (
            "raise the limits on System V segments: kernel.shmmni counts them, kernel.shmall their pages",
            "ipcs -lm; sysctl -w kernel.shmmni=32768",
        ),
    ),
    "hangup": (
        (
            "start it so that it outlives its terminal: in tmux or screen, or with setsid (torchrun heeds SIGHUP under nohup)",
            "setsid torchrun train.py > train.log 2>&1 < /dev/null &",
        ),
    ),
    "ephemeral_storage": (
        (
            "ask for ephemeral storage in the pod's requests and limits, or write to a volume",
            "resources: {requests: {ephemeral-storage: 100Gi}}",
        ),
    ),
    "gunicorn_timeout": (
        (
            "gunicorn ends a worker that is silent for its --timeout: below WORKER TIMEOUT, load before the fork (--preload) or allow longer",
            None,
        ),
    ),
    "triton_resources": (
        (
            "the kernel needs more shared memory of a multiprocessor than it has: smaller blocks or fewer num_stages",
            None,
        ),
    ),
    "cuda_kernel_failure": (
        (
            "find the kernel that failed: run it once with each launch waited for; of a device that is gone the driver's log tells",
            "CUDA_LAUNCH_BLOCKING=1; dmesg | grep -i xid",
        ),
    ),
    "matlab_array_size": (
        (
            "use smaller arrays, or fewer rows at a time; MATLAB allows larger ones in its preferences (Workspace)",
            None,
        ),
    ),
    "earlyoom": (
        (
            "earlyoom ended it, because the host was short of memory: use less, or add memory or swap",
            None,
        ),
    ),
    "oomd": (
        (
            "systemd-oomd ended it, because the host was short of memory: use less, or add memory or swap",
            "journalctl -u systemd-oomd",
        ),
    ),
    "jvm_heap": (
        (
            "give the JVM a larger heap",
            "-Xmx8g; for Spark: --driver-memory 8g --executor-memory 8g",
        ),
    ),
    "node_heap": (("give Node a larger heap", "NODE_OPTIONS=--max-old-space-size=8192"),),
    "static_tls": (
        ("load that library first", "LD_PRELOAD=/usr/lib/x86_64-linux-gnu/libgomp.so.1"),
    ),
    "openblas_regions": (
        ("let OpenBLAS use fewer threads: it was built for fewer", "OPENBLAS_NUM_THREADS=16"),
    ),
    "seccomp": (
        (
            "update Docker and libseccomp on the host: an old seccomp profile refuses clone3()",
            "docker run --security-opt seccomp=unconfined",
        ),
    ),
    "seccomp_perhaps": (
        (
            "if Docker or libseccomp on the host is old, update it: its seccomp profile refuses clone3(), and no thread starts",
            "docker run --security-opt seccomp=unconfined",
        ),
    ),
    "overcommit": (
        (
            "start fewer workers (num_workers, n_jobs, mc.cores), or start them before memory is filled",
            None,
        ),
        (
            "allow overcommit, or add swap: fork() asks for as much as the parent has",
            "sysctl -w vm.overcommit_memory=1",
        ),
    ),
    "vllm_memory": (
        (
            "let vLLM use more of the GPU, or give it a shorter context and fewer sequences",
            "--gpu-memory-utilization 0.95 --max-model-len 8192 --max-num-seqs 64",
        ),
    ),
    "ggml_memory": (
        (
            "put fewer layers on the GPU, or give the model a shorter context",
            "--n-gpu-layers 20 --ctx-size 4096",
        ),
    ),
    "gpu_other_process": (
        ("see what else uses the GPU: PyTorch itself holds less than half of it", "nvidia-smi"),
    ),
}
"""Steps by what a message itself says; see `signatures.signature.Signature.advice`."""
