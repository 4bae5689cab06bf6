"""The CPU engine: a compiler from jaxprs to native code, and its runtime."""
