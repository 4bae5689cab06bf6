"""The loop IR run by NumPy, as its grammar says and no faster: the reference of every pass."""
