"""Reads of the kernel's files and of NVML: no threads, no output."""
