"""Transformations of programs, one module each; every one also works jaxpr → jaxpr."""
