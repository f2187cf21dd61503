"""The servers that tests of streams may ask for."""

from tests.services.kafka import kafka

__all__ = ["kafka"]
