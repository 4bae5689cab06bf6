"""The passes of the CPU compiler, one a file; `pipeline` lists them."""
