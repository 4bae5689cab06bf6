"""Libraries that are written for JAX, unchanged, on arrax: see `test_programs`."""
