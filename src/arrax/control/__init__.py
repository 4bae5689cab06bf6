"""Primitives that carry jaxprs: loops, conditionals, implicit solves."""
