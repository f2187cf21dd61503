"""A real Kafka for the tests: one node that is broker and controller, with open, password and TLS listeners."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from tests.services.servers import HOST, Server, certify, free_ports

VERSION = "4.3.1"
MISSING = "no Kafka for the tests; make services installs it, or says what it needs"
POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>tocsin</groupId><artifactId>kafka-for-tests</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{VERSION}</version></dependency>
  </dependencies>
</project>
"""
SETTINGS = """
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{plain},SASL_PLAINTEXT://{host}:{sasl},SSL://{host}:{tls},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{plain},SASL_PLAINTEXT://{host}:{sasl},SSL://{host}:{tls}
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,SSL:SSL,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_reader="{password}" user_stranger="{password}";
ssl.keystore.type=PEM
ssl.keystore.location={folder}/both.pem
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS;User:reader
log.dirs={folder}/data
auto.create.topics.enable=false
offsets.topic.num.partitions=1
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
broker.heartbeat.interval.ms=200
broker.session.timeout.ms=1500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
log.cleaner.dedupe.buffer.size=4194304
num.io.threads=2
num.network.threads=2
"""

CLUSTER = "AAAAAAAAAAAAAAAAAAAAAQ"


def cache() -> Path:
    """Return where jars are kept between runs, outside the repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tocsin" / f"kafka-{VERSION}"


def fetch() -> Path | None:
    """Return the folder of Kafka's jars, fetched with Maven if they are not there yet; None if that cannot be."""
    folder = cache()
    if folder.exists():
        return folder
    maven = shutil.which("mvn")
    if maven is None:
        return None
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as name:
        made = Path(name)
        (made / "pom.xml").write_text(POM)
        asked = [maven, "-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=jars"]
        if subprocess.run(asked, cwd=made, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode:
            return None
        try:
            (made / "jars").rename(folder)
        except OSError:  # another process was faster
            return folder if folder.exists() else None
    return folder


class Kafka(Server):
    """One Kafka node; topics are made with `topic`."""

    name = "Kafka"
    password = "open-sesame"

    def __init__(self, jars: Path, folder: Path) -> None:
        super().__init__(folder)
        self._jars = jars
        self._plain, self._sasl, self._tls, self._controller = free_ports(4)
        self.open, self.sasl, self.tls = (f"{HOST}:{port}" for port in (self._plain, self._sasl, self._tls))
        self.certificate, key = certify(folder)
        (folder / "both.pem").write_text(key.read_text() + self.certificate.read_text())
        (folder / "server.properties").write_text(
            SETTINGS.format(
                host=HOST, plain=self._plain, sasl=self._sasl, tls=self._tls, controller=self._controller,
                folder=folder, password=self.password,
            )
        )  # fmt: skip
        tool = [*self._java(), "kafka.tools.StorageTool", "format", "-c", "server.properties", "-t", CLUSTER]
        subprocess.run(tool, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, check=True)

    def _java(self) -> list[str]:
        small = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]
        return ["java", *small, "-cp", f"{self._jars}/*"]

    def command(self) -> list[str]:
        return [*self._java(), "kafka.Kafka", "server.properties"]

    @cached_property
    def admin(self) -> Any:
        from confluent_kafka.admin import AdminClient

        return AdminClient({"bootstrap.servers": self.open, "log_level": 0})

    def answers(self) -> bool:
        from confluent_kafka import KafkaException

        try:
            self.admin.list_topics(timeout=1)
        except KafkaException:
            return False
        return True

    def producer(self) -> Any:
        """Return a producer whose messages stay in order within a partition.

        Idempotence is what promises that: the first batch to a new topic may be refused until its leader is ready, and
        is then sent again after the second.
        """
        from confluent_kafka import Producer

        return Producer({"bootstrap.servers": self.open, "enable.idempotence": True, "linger.ms": 1, "log_level": 0})

    def topic(self, partitions: int = 1) -> str:
        """Return the name of a new topic."""
        from confluent_kafka.admin import NewTopic

        name = f"readings-{uuid.uuid4().hex[:12]}"
        for made in self.admin.create_topics([NewTopic(name, partitions, 1)]).values():
            made.result(30)
        return name

    def widen(self, topic: str, partitions: int) -> None:
        """Give a topic more partitions."""
        from confluent_kafka.admin import NewPartitions

        for made in self.admin.create_partitions([NewPartitions(topic, partitions)]).values():
            made.result(30)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """Return a Kafka that runs; one for all tests of a worker process."""
    jars = fetch() if shutil.which("java") else None
    if jars is None:
        pytest.skip(MISSING)
    server = Kafka(jars, tmp_path_factory.mktemp("kafka"))
    server.start()
    yield server
    server.kill()
