"""Engines: compilers of programs for devices. They stand on top of the house, import what they
compile, and make themselves known to `core.engine`, through which the other rooms find them."""
from __future__ import annotations

import importlib
from typing import Any

from arrax.core.engine import register, register_writer
from arrax.engines.cpu.engine import CpuEngine


def _stablehlo() -> Any:
    return importlib.import_module("arrax.engines.pjrt.stablehlo").module_text


register("cpu", CpuEngine())
register_writer("stablehlo", _stablehlo)
