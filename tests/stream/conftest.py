"""The servers that tests of streams may ask for."""

from tests.services.kafka import kafka
from tests.services.mosquitto import mosquitto

__all__ = ["kafka", "mosquitto"]
