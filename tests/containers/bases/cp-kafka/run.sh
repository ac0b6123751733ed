#!/bin/bash
# Start as Confluent's image does in ZooKeeper mode: KAFKA_FOO_BAR becomes foo.bar.
set -e
: "${KAFKA_ZOOKEEPER_CONNECT:?is required by this image in ZooKeeper mode}"
: "${KAFKA_ADVERTISED_LISTENERS:?is required by this image}"
: "${KAFKA_LOG_DIRS:=/var/lib/kafka/data}"
export KAFKA_LOG_DIRS
env | sed -nE 's/^KAFKA_([A-Z0-9_]+)=(.*)$/\1=\2/p' | grep -vE '^(HEAP_OPTS|OPTS|JMX_|LOG4J_)' |
  while IFS='=' read -r name value; do
    printf '%s=%s\n' "$(tr 'A-Z_' 'a-z.' <<<"$name")" "$value"
  done >/etc/kafka/kafka.properties
# shellcheck disable=SC2086 # several options in one variable, as in the original
exec java ${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G} -Dlog4j.configuration=file:/etc/kafka/log4j.properties \
  -Dkafka.logs.dir=/var/log/kafka -cp '/usr/share/java/kafka/*' kafka.Kafka /etc/kafka/kafka.properties
