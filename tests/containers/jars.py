"""Put the jars of the Kafka stand-ins into a folder, checked against their lock files.

python tests/containers/jars.py kafka FOLDER       Kafka 4.1, KRaft: stands in for apache/kafka
python tests/containers/jars.py cp-kafka FOLDER    Kafka 3.9 with ZooKeeper: for cp-kafka, cp-zookeeper
python tests/containers/jars.py lock               write the lock files anew
"""

import shutil
import sys
from pathlib import Path

from bridges.stack.jars import downloads_dir, locked_jars, write_lock

BASES = Path(__file__).parent / "bases"
WANTED = {
    "kafka": (
        "org.apache.kafka:kafka_2.13:4.1.1",
        "org.apache.kafka:kafka-tools:4.1.1",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.24.3",
        "org.apache.logging.log4j:log4j-1.2-api:2.24.3",
    ),
    "cp-kafka": (
        "org.apache.kafka:kafka_2.13:3.9.1",
        "org.slf4j:slf4j-reload4j:1.7.36",
    ),
}


def main(what: str, folder: str = "") -> None:
    """Lock, or fill the folder."""
    if what == "lock":
        for name, wanted in WANTED.items():
            write_lock(BASES / name / "jars.lock", wanted)
        return
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    # Beside the jars of `weir up`: many are the same.
    for jar in locked_jars(BASES / what / "jars.lock", downloads_dir() / "kafka-jars", print):
        if not (target / jar.name).exists():
            shutil.copyfile(jar, target / jar.name)


if __name__ == "__main__":
    main(*sys.argv[1:])
