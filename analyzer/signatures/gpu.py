"""Signatures of GPU memory that ran out, in the words of each framework."""

from __future__ import annotations

from analyzer.signatures.rows import gpu_memory
from analyzer.signatures.signature import MEMORY, NOT_A_LIMIT, Expression, Signature

_GPU = ("gpu_memory",)
ONNXRUNTIME_ARENA = "onnxruntime_arena"

GPU_SIGNATURES: tuple[Signature, ...] = (
    Signature(
        name="triton_resources",
        literals=("out of resource: ",),
        pattern=Expression(r"OutOfResources: out of resource: "),
        example="triton.runtime.errors.OutOfResources: out of resource: shared memory, Required: 163840, Hardware limit: 101376. Reducing block sizes or `num_stages` may help.",
        benign="autotune 7/12: skipped, out of resource: shared memory",
        causes=("not_a_limit",),
        advice="triton_resources",
    ),
    Signature(
        name="cuda_allocation",
        literals=("cudaErrorMemoryAllocation",),
        pattern=Expression(r"cudaErrorMemoryAllocation"),
        example="  what():  std::bad_alloc: cudaErrorMemoryAllocation: out of memory",
        benign="    case cudaErrorMemoryAllocation: return shrink(workspace);",
        causes=_GPU,
        speaks_for=_GPU,
    ),
    Signature(
        name="cuda_error_oom",
        literals=("CUDA_ERROR_OUT_OF_MEMORY", "HIP_ERROR_OutOfMemory", "hipErrorOutOfMemory"),
        pattern=Expression(
            r"CUDA_ERROR_OUT_OF_MEMORY|\b(?:HIP_ERROR_|hipError)OutOfMemory\b(?!.*[{;]\s*$)"
        ),
        example="failed to allocate 2.00G (2147483648 bytes) from device: CUDA_ERROR_OUT_OF_MEMORY: out of memory",
        benign="  if (rc == CUDA_ERROR_OUT_OF_MEMORY) { shrink_workspace(); }",
        causes=_GPU,
        speaks_for=_GPU,
        look_alikes=(Expression(r"on host: CUDA_ERROR|cuMemHostAlloc"),),
    ),
    # A kernel that failed, or a device that is gone; the library and the driver's log say why.
    Signature(
        name="cuda_kernel_failure",
        literals=("CUDA error: ",),
        pattern=Expression(
            r"\bCUDA error: (?:unspecified launch failure|device-side assert triggered|an illegal memory access|an illegal instruction|misaligned address)"
        ),
        example="RuntimeError: CUDA error: unspecified launch failure",
        benign="health: 0 times CUDA error: none since start",
        causes=(NOT_A_LIMIT,),
        advice="cuda_kernel_failure",
    ),
    Signature(
        name="gpu_out_of_memory",
        literals=("ut of memory", "cudaMalloc"),
        pattern=Expression(
            r"\b(?:CUDA [Ee]rror|CUDA runtime error|cuda runtime error|HIP error|cudaMalloc(?: retry)? (?:failed|error)|hipMalloc failed|CUDA driver error"
            r"|cuMem\w+ failed|error == cudaSuccess \(2 vs\. 0\))[^\n]{0,60}?out of memory|\b(?:HIP|XPU|MPS backend|NPU|MUSA) out of memory|alloc fail .*cudaMalloc"
        ),
        example="RuntimeError: CUDA error: out of memory",
        benign="cudaMalloc      12.4 GiB      41 calls      3.2 ms",
        causes=_GPU,
        speaks_for=_GPU,
    ),
    Signature(
        name="cublas_allocation",
        literals=("_ALLOC_FAILED", "_ALLOCATION_FAILED"),
        pattern=Expression(r"\b(?:CU|HIP|ROC|MIOPEN)\w*_ALLOC(?:ATION)?_FAILED"),
        example="RuntimeError: CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        benign="CUBLAS_STATUS_ALLOC_FAILED in warm-up, retrying with CUBLAS_WORKSPACE_CONFIG=:16:8",
        causes=_GPU,
        speaks_for=_GPU,
    ),
    Signature(
        name="tensorflow_dst_tensor",
        literals=("Dst tensor is not initialized",),
        pattern=Expression(r"Dst tensor is not initialized"),
        example="InternalError: Failed copying input tensor from CPU:0 to GPU:0 in order to run _EagerConst: Dst tensor is not initialized.",
        benign='FAQ: when "Dst tensor is not initialized" appears, another process holds the GPU',
        causes=_GPU,
        speaks_for=_GPU,
    ),
    Signature(
        name="tensorflow_allocate_op",
        literals=("failed to allocate memory",),
        pattern=Expression(r"failed to allocate memory(?: \[Op:|$|\s)"),
        example="tensorflow.python.framework.errors_impl.ResourceExhaustedError: failed to allocate memory [Op:Mul]",
        benign="autotune: BLOCK=256 failed to allocate memory, 11 configurations are left",
        causes=(*_GPU, "host_memory", "cgroup_memory"),
        speaks_for=_GPU,
    ),
    Signature(
        name="vllm_memory",
        literals=(
            "No available memory for the cache",
            "Free memory on device",
            "stored in KV cache",
            "available KV cache ",
            "-mem-fraction-stat",
            "-max-batch-prefill",
        ),
        pattern=Expression(
            r"Free memory on device .*is less than desired GPU memory|No available memory for the cache blocks"
            r"|larger than the maximum number of tokens that can be stored in KV cache|larger than the available KV cache memory"
            r"|\b(?i:not) enough memory(?: to handle \d+ prefill tokens)?\. .*(?:-mem-fraction-static|-max-batch-prefill-tokens)"
        ),
        example="ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing the engine.",
        benign="INFO 05-01 10:12:11 kv_cache_utils.py:634] 12288 tokens can be stored in KV cache",
        causes=_GPU,
        speaks_for=_GPU,
        advice="vllm_memory",
    ),
    # Of a GPU that is full, or that the process may not use.
    Signature(
        name="library_not_initialized",
        literals=("_NOT_INITIALIZED", "INITIALIZATION_FAIL"),
        pattern=Expression(r"\bCU\w+_STATUS_(?:NOT_INITIALIZED|INITIALIZATION_FAILED)"),
        example="RuntimeError: CUDA error: CUBLAS_STATUS_NOT_INITIALIZED when calling `cublasCreate(handle)`",
        benign="warm-up: CUBLAS_STATUS_NOT_INITIALIZED, trying again with one stream",
        causes=("gpu_memory", "not_a_limit"),
    ),
    # NCCL warns of what it cannot go on from.
    gpu_memory(
        "nccl_memory",
        ("Cuda failure", "Failed to CUDA "),
        r"Cuda failure (?:\d+ )?'out of memory'|Failed to CUDA (?:calloc|malloc)\b.* \d+ bytes",
        "node1:62:430 [1] include/alloc.h:178 NCCL WARN Cuda failure 'out of memory'",
        "node1:62:430 [1] init.cc:90 NCCL WARN Cuda failure 'peer access is not supported between these two devices'",
        at_any_level=True,
    ),
    gpu_memory(
        "catboost_memory",
        ("TOutOfMemoryError", "memory. Requested"),
        r"NCudaLib::TOutOfMemoryError\b|Out of memory\. Requested [\d.]+ MB; Free",
        "(NCudaLib::TOutOfMemoryError) /src/catboost/cuda/cuda_lib/memory_pool/stack_like_memory_pool.h:303: Error: Out of memory. Requested 776.32 MB; Free 676.45 MB",
        "} catch (const NCudaLib::TOutOfMemoryError& error) { FallBackToCpu(error); }",
    ),
    gpu_memory(
        "lightgbm_memory",
        "[CUDA] out of mem",
        r"\[CUDA\] out of memory",
        "[LightGBM] [Fatal] [CUDA] out of memory /src/cuda/cuda_utils.cpp 28",
        "[LightGBM] [Warning] [CUDA] out of memory, the histograms are computed in two passes",
    ),
    gpu_memory(
        "thrust_memory",
        "detail::bad_alloc",
        r"instance of 'thrust::system::detail::bad_alloc'",
        "terminate called after throwing an instance of 'thrust::system::detail::bad_alloc'",
        "  } catch (thrust::system::detail::bad_alloc &e) { shrink(); }",
        signal="SIGABRT",
        is_secondary=True,
    ),
    gpu_memory(
        "torch_allocation",
        ": Allocation on dev",
        r"OutOfMemoryError: Allocation on device",
        "torch.OutOfMemoryError: Allocation on device 0 would exceed allowed memory. (out of memory)",
        'FAQ: if "OutOfMemoryError: Allocation on device" is shown, start it with --lowvram',
    ),
    gpu_memory(
        "tpu_hbm",
        "memory space hbm",
        r"[Rr]an out of memory in memory space hbm",
        "RESOURCE_EXHAUSTED: XLA:TPU compile permanent error. Ran out of memory in memory space hbm. Used 17.1G of 15.48G hbm.",
        "memory space hbm: 11.2G of 15.48G used by the program",
    ),
    gpu_memory(
        "xla_constant",
        "bytes for new constant",
        r"Failed to allocate \d+ bytes for new constant",
        "jaxlib.xla_extension.XlaRuntimeError: INTERNAL: Failed to allocate 98697216 bytes for new constant",
        "xla: 4,096 bytes for new constant tables, 0 of them copied",
    ),
    gpu_memory(
        "rmm_memory",
        "out_of_memory",
        r"rmm::out_of_memory|out_of_memory: (?:RMM|CUDA) (?:failure|error)",
        "  what():  std::bad_alloc: out_of_memory: RMM failure at:/include/rmm/mr/device/pool_memory_resource.hpp:192: Maximum pool size exceeded",
        "cuda_out_of_memory_retries_total 0",
    ),
    gpu_memory(
        "bitsandbytes_memory",
        "rror out of memory at line",
        r"[Ee]rror out of memory at line \d+ in file",
        "Error out of memory at line 380 in file /home/tim/git/bitsandbytes/csrc/pythonInterface.c",
        'README: if it prints "Error out of memory at line 380 in file", use load_in_4bit',
    ),
    gpu_memory(
        "xpu_memory",
        (
            "ERROR_OUT_OF_",
            "MEM_OBJECT_ALLOCAT",
            " Allocation Failure",
            "ErrorOutOf",
            "PT_DEVMEM",
        ),
        r"\b(?:PI|UR_RESULT|UR|ZE_RESULT|CL)_?ERROR_OUT_OF_(?:RESOURCES|DEVICE_MEMORY)|\b(?:CL_)?MEM_OBJECT_ALLOCATION_FAILURE\b|\bMemory Object Allocation Failure\b"
        r"|\bErrorOutOfDeviceMemory\b|\bkIOGPUCommandBufferCallbackErrorOutOfMemory\b|\bPT_DEVMEM Allocation failed for size",
        "RuntimeError: Native API failed. Native API returns: -5 (PI_ERROR_OUT_OF_RESOURCES)",
        "viewer: VK_ERROR_OUT_OF_DATE_KHR, the swapchain is made anew",
    ),
    gpu_memory(
        "paddle_memory",
        "ut of memory",
        r"Out of memory error on GPU \d+",
        "Out of memory error on GPU 0. Cannot allocate 1.537598GB memory on GPU 0, 14.611816GB memory has been allocated",
        "FLAGS_allocator_strategy=auto_growth: the cache is freed before the GPU is out of memory",
    ),
    # The arena is of whatever device the session runs on: the message does not say which, the list of providers may.
    Signature(
        name="onnxruntime_gpu",
        literals=("ExecutionProvider",),
        pattern=Expression(
            r"^(?!.*(?:[Ff]ailed to create|not (?:in )?available|is not)).*\b(?:CUDA|Tensorrt|ROCM|Dml)ExecutionProvider"
        ),
        example="providers: ['CUDAExecutionProvider', 'CPUExecutionProvider']",
        benign="Failed to create CUDAExecutionProvider. Please reference the requirements page",
        is_frame=True,
    ),
    Signature(
        name="onnxruntime_cpu",
        literals=("ExecutionProvider",),
        pattern=Expression(r"\bCPUExecutionProvider"),
        example="providers=['CPUExecutionProvider']",
        benign="registered ExecutionProviders: 2",
        is_frame=True,
    ),
    Signature(
        name=ONNXRUNTIME_ARENA,
        literals=("BFCArena",),
        pattern=Expression(r"BFCArena::AllocateRawInternal\b.*Failed to allocate memory"),
        example="/onnxruntime_src/onnxruntime/core/framework/bfc_arena.cc:368 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Failed to allocate memory for requested buffer of size 1073741824",
        benign="[I:onnxruntime:, bfc_arena.cc:347 AllocateRawInternal] Extending BFCArena for Cuda. bin_num:20 num_bytes: 1073741824",
        causes=("gpu_memory", *MEMORY, "address_space"),
        narrowed_by={"for Cuda": _GPU},
    ),
    gpu_memory(
        "onnxruntime_memory",
        "smaller than requested bytes",
        r"Available memory of \d+ is smaller than requested bytes",
        "bfc_arena.cc:342 void* onnxruntime::BFCArena::AllocateRawInternal(size_t, bool) Available memory of 31457280 is smaller than requested bytes of 4831838208",
        "pool: 12 free bytes, smaller than requested bytes, it grows",
    ),
    gpu_memory(
        "tensorrt_memory",
        "OutOfMemory",
        r"Error Code \d+: OutOfMemory",
        "[E] Error[2]: [virtualMemoryBuffer.cpp::resizePhysical::151] Error Code 2: OutOfMemory (no further information)",
        "trial_policy: {onOutOfMemory: halve_batch, maxTrials: 40}",
    ),
    gpu_memory(
        "cuda_driver_memory",
        "(out of memory)",
        r"Cuda (?:Driver|Runtime) \(out of memory\)",
        "[E] Error[1]: [virtualMemoryBuffer.cpp::resizePhysical::151] Error Code 1: Cuda Driver (out of memory)",
        "[TRT] Skipping tactic 0x3e8 (out of memory), 41 tactics are left",
    ),
    gpu_memory(
        "julia_gpu_memory",
        "Out of GPU memory",
        r"Out of GPU memory",
        "ERROR: LoadError: Out of GPU memory trying to allocate 1.562 GiB",
        'CUDA.reclaim() helps if "Out of GPU memory" is thrown',
    ),
    gpu_memory(
        "cupy_memory",
        ("ut of memory allocating", "OutOfMemoryError"),
        r"cupy\S*OutOfMemoryError|Out of memory allocating [\d,]+ bytes",
        "cupy.cuda.memory.OutOfMemoryError: Out of memory allocating 8,589,934,592 bytes (allocated so far: 15,032,385,536 bytes).",
        "    except cupy.cuda.memory.OutOfMemoryError:",
    ),
    gpu_memory(
        "ggml_memory",
        ("failed to allocate CUDA", "unable to allocate CUDA", "allocate ROCm", "allocate Vulkan"),
        r"(?:failed|unable) to allocate (?:CUDA|ROCm|Vulkan)\d* buffer",
        "llama_kv_cache_init: failed to allocate CUDA0 buffer",
        "llama_load: failed to allocate CUDA0 buffer, retrying with n_gpu_layers=28",
        advice="ggml_memory",
    ),
    Signature(
        name="tensorflow_convolution",
        literals=("Failed to get convolution algorithm",),
        pattern=Expression(r"Failed to get convolution algorithm"),
        example="UnknownError:  Failed to get convolution algorithm. This is probably because cuDNN failed to initialize",
        benign='* Fix "Failed to get convolution algorithm" with cuDNN 8.9',
        causes=("gpu_memory", "not_a_limit"),
        speaks_for=_GPU,
    ),
)
