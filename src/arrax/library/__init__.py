"""The Python side of the C++ library: how its functions are called, and what they cover.

`calls` has the functions on dense data, `linear_algebra` those on matrices. Both give specs, which
compiled programs hold as constants and `call_eagerly` passes from Python.
"""
