"""The Python side of the C++ library: how its functions are called, and what they cover.

Each room describes calls by named fields: `products` (matrix products, convolutions), `rows`
(sorts, cumulative folds, row scatters, random bits), `transforms` (Fourier) and `linear_algebra`.
A function `(operands, results, params) -> Call | None` is what an op block gives as its `Library`;
operands and results have a `shape` and a `dtype`. `calls` makes calls from Python.
"""
