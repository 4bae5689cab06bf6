"""Which public names of JAX 0.10.2 arrax has: writes docs/api-coverage.md and the list by which
absent names explain themselves.

    python -m tools.api_coverage             write both
    python -m tools.api_coverage --check     say whether they are up to date

`names.tsv` has JAX's public names (module, name, kind, signature), `reasons.txt` why names are
absent: a line for a module, for all below it, or for one name; the longest match holds.
"""
