"""The demo shop: a Vietnamese cosmetics shop, its customers and what they write."""

from viecomrec.domain.simulation.shop import (
    SIMULATOR_VERSION,
    SimulatedShop,
    catalogue_size,
    simulate_shop,
)

__all__ = ["SIMULATOR_VERSION", "SimulatedShop", "catalogue_size", "simulate_shop"]
