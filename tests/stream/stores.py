"""A store in memory, for tests of what is beside the store."""

from __future__ import annotations

from contextlib import nullcontext
from threading import Lock

from tocsin.errors import UnavailableError
from tocsin.insights.base import Store


class MemoryStore(Store):
    schemes = ()

    def __init__(self, contents=None):
        self.contents = dict(contents or {})
        self.away = False
        self._lock = Lock()

    @classmethod
    def open(cls, address, *, write=False):
        return cls()

    def get(self, key):
        return self.get_many([key])[0]

    def get_many(self, keys):
        if self.away:
            raise UnavailableError("the store does not answer")
        with self._lock:
            return [self.contents.get(key) for key in keys]

    def scan(self, span, *, most=None, backwards=False):
        with self._lock:
            keys = sorted((key for key in self.contents if span.first <= key < span.end), reverse=backwards)
            return iter([(key, self.contents[key]) for key in keys[:most]])

    def commit(self, puts, deletes=(), spans=()):
        with self._lock:
            for key in [*deletes, *(key for key in self.contents for span in spans if span.first <= key < span.end)]:
                self.contents.pop(key, None)
            self.contents.update(puts)

    def alone(self, name):
        return nullcontext()

    @property
    def size(self):
        return sum(map(len, self.contents.values()))

    def close(self):
        pass
