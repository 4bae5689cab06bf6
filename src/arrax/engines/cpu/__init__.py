"""The CPU engine and its compiler."""
from arrax.engines import register
from arrax.engines.cpu.engine import CpuEngine

register("cpu", CpuEngine())
