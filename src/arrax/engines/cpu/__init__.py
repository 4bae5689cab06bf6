"""The CPU engine and its compiler."""
