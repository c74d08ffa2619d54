"""Signatures of GPU memory that ran out, in the words of each framework."""

from __future__ import annotations

from analyzer.signatures.rows import gpu_memory
from analyzer.signatures.signature import Expression, Signature

_GPU = ("gpu_memory",)

GPU_SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="cuda_allocation",
        literals=("cudaErrorMemoryAllocation",),
        pattern=Expression(r"cudaErrorMemoryAllocation"),
        example="  what():  std::bad_alloc: cudaErrorMemoryAllocation: out of memory",
        causes=_GPU,
        speaks_for=_GPU,
    ),
    Signature(
        name="cuda_error_oom",
        literals=("CUDA_ERROR_OUT_OF_MEMORY",),
        pattern=Expression(r"CUDA_ERROR_OUT_OF_MEMORY"),
        example="failed to allocate 2.00G (2147483648 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        causes=_GPU,
        speaks_for=_GPU,
        look_alikes=(Expression(r"on host: CUDA_ERROR|cuMemHostAlloc"),),
    ),
    Signature(
        name="gpu_out_of_memory",
        literals=("ut of memory", "cudaMalloc"),
        pattern=Expression(
            r"\b(?:CUDA error|CUDA runtime error|cuda runtime error|HIP error|cudaMalloc(?: retry)? (?:failed|error)|hipMalloc failed|CUDA driver error)"
            r"\b[^\n]{0,60}?out of memory|\b(?:HIP|XPU|MPS backend|NPU|MUSA) out of memory|alloc fail .*cudaMalloc"
        ),
        example="RuntimeError: CUDA error: out of memory",
        causes=_GPU,
        speaks_for=_GPU,
    ),
    Signature(
        name="cublas_allocation",
        literals=("_STATUS_ALLOC_FAILED",),
        pattern=Expression(r"\bCU\w+_STATUS_ALLOC_FAILED"),
        example="RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        causes=_GPU,
        speaks_for=_GPU,
    ),
    Signature(
        name="tensorflow_dst_tensor",
        literals=("Dst tensor is not initialized",),
        pattern=Expression(r"Dst tensor is not initialized"),
        example="InternalError: Failed copying input tensor from CPU:0 to GPU:0 in order to run _EagerConst: Dst tensor is not initialized.",
        causes=_GPU,
        speaks_for=_GPU,
    ),
    Signature(
        name="tensorflow_allocate_op",
        literals=("failed to allocate memory",),
        pattern=Expression(r"failed to allocate memory(?: \[Op:|$|\s)"),
        example="tensorflow.python.framework.errors_impl.ResourceExhaustedError: failed to allocate memory [Op:Mul]",
        causes=(*_GPU, "host_memory", "cgroup_memory"),
        speaks_for=_GPU,
    ),
    Signature(
        name="vllm_memory",
        literals=(
            "No available memory for the cache",
            "Free memory on device",
            "stored in KV cache",
        ),
        pattern=Expression(
            r"Free memory on device .*is less than desired GPU memory|No available memory for the cache blocks"
            r"|larger than the maximum number of tokens that can be stored in KV cache"
        ),
        example="ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
        causes=_GPU,
        speaks_for=_GPU,
    ),
    gpu_memory(
        "tpu_hbm",
        "memory space hbm",
        r"[Rr]an out of memory in memory space hbm",
        "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space hbm. Used 17.1G of 15.48G hbm.",
    ),
    gpu_memory(
        "rmm_memory",
        "out_of_memory",
        r"rmm::out_of_memory|out_of_memory: (?:RMM|CUDA) (?:failure|error)",
        "  what():  std::bad_alloc: out_of_memory: RMM failure at:/include/rmm/mr/device/pool_memory_resource.hpp:192: Maximum pool size exceeded",
    ),
    gpu_memory(
        "bitsandbytes_memory",
        "rror out of memory at line",
        r"[Ee]rror out of memory at line \d+ in file",
        "Error out of memory at line 380 in file /home/tim/git/bitsandbytes/csrc/pythonInterface.c",
    ),
    gpu_memory(
        "xpu_memory",
        "ERROR_OUT_OF_",
        r"\b(?:PI|UR_RESULT|UR|ZE_RESULT|CL)_?ERROR_OUT_OF_(?:RESOURCES|DEVICE_MEMORY)",
        "RuntimeError: Native API failed. Native API returns: -5 (PI_ERROR_OUT_OF_RESOURCES)",
    ),
    gpu_memory(
        "paddle_memory",
        "ut of memory",
        r"Out of memory error on GPU \d+",
        "Out of memory error on GPU 0. Cannot allocate 1.537598GB memory on GPU 0, 14.611816GB memory has been allocated",
    ),
    gpu_memory(
        "onnxruntime_memory",
        ("BFCArena", "smaller than requested bytes"),
        r"BFCArena::AllocateRawInternal\b.*Failed to allocate memory|Available memory of \d+ is smaller than requested bytes",
        "/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:368 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 1073741824",
    ),
    gpu_memory(
        "tensorrt_memory",
        "OutOfMemory",
        r"Error Code \d+: OutOfMemory",
        "[E] Error[2]: [virtualMemoryBuffer.cpp::resizePhysical::151] Error Code 2: OutOfMemory (no further information)",
    ),
    gpu_memory(
        "cuda_driver_memory",
        "(out of memory)",
        r"Cuda (?:Driver|Runtime) \(out of memory\)",
        "[E] Error[1]: [virtualMemoryBuffer.cpp::resizePhysical::151] Error Code 1: Cuda Driver (out of memory)",
    ),
    gpu_memory(
        "julia_gpu_memory",
        "Out of GPU memory",
        r"Out of GPU memory",
        "ERROR: LoadError: Out of GPU memory trying to allocate 1.562 GiB",
    ),
    gpu_memory(
        "cupy_memory",
        ("ut of memory allocating", "OutOfMemoryError"),
        r"cupy\S*OutOfMemoryError|Out of memory allocating [\d,]+ bytes",
        "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 8,589,934,592 bytes (allocated so far: 15,032,385,536 bytes).",
    ),
    gpu_memory(
        "ggml_memory",
        ("failed to allocate CUDA", "unable to allocate CUDA"),
        r"failed to allocate CUDA\d* buffer|unable to allocate CUDA\d* buffer",
        "llama_kv_cache_init: failed to allocate CUDA0 buffer",
    ),
    Signature(
        name="tensorflow_convolution",
        literals=("Failed to get convolution algorithm",),
        pattern=Expression(r"Failed to get convolution algorithm"),
        example="UnknownError:  Failed to get convolution algorithm. This is probably because cuDNN failed to initialize",
        causes=("gpu_memory", "not_a_limit"),
        speaks_for=_GPU,
    ),
)
