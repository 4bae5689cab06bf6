"""Kernels: from elementwise operations to LLVM instructions, and calls into the native library."""
