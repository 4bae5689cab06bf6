"""Programs for accelerators: jaxpr → StableHLO text (`stablehlo.module_text`).

`builder.Builder` is what the `stablehlo` rules of primitives are written with, `opset` the table of
StableHLO's operations that it checks every operation against, `mlir_text` how types, attributes and
constants read.
"""
