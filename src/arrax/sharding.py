"""`arrax.sharding`: how arrays are laid out over devices."""
from arrax.core.device import Mesh, NamedSharding, PartitionSpec, Sharding, SingleDeviceSharding

__all__ = ["Mesh", "NamedSharding", "PartitionSpec", "Sharding", "SingleDeviceSharding"]
