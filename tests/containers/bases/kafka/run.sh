#!/bin/bash
# Start as the official image does: write the configuration from KAFKA_*, format an empty data folder, run.
set -e
: "${CLUSTER_ID:=5L6g3nShT-eMCtK--X86sw}"
export CLUSTER_ID
if ! said=$(java -Xmx128m -XX:TieredStopAtLevel=1 -cp '/opt/kafka/libs/*' kafka.docker.KafkaDockerWrapper setup \
  --default-configs-dir /etc/kafka/docker --mounted-configs-dir /mnt/shared/config \
  --final-configs-dir /opt/kafka/config 2>&1); then
  grep -qi 'already formatted' <<<"$said" || { echo "$said"; exit 1; }
fi
# shellcheck disable=SC2086 # several options in one variable, as in the original
exec java ${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G} -Dlog4j2.configurationFile=/opt/kafka/config/log4j2.yaml \
  -Dkafka.logs.dir=/opt/kafka/logs -cp '/opt/kafka/libs/*' kafka.Kafka /opt/kafka/config/server.properties
