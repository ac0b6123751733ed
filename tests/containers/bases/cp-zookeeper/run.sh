#!/bin/bash
# Start as Confluent's image does: ZOOKEEPER_* becomes zookeeper.properties.
set -e
: "${ZOOKEEPER_CLIENT_PORT:?is required by this image}"
{
  echo dataDir=/var/lib/zookeeper/data
  echo dataLogDir=/var/lib/zookeeper/log
  echo "clientPort=$ZOOKEEPER_CLIENT_PORT"
  echo "tickTime=${ZOOKEEPER_TICK_TIME:-2000}"
  echo "admin.enableServer=${ZOOKEEPER_ADMIN_ENABLE_SERVER:-true}"
  echo "autopurge.purgeInterval=${ZOOKEEPER_AUTOPURGE_PURGE_INTERVAL:-0}"
  echo "autopurge.snapRetainCount=${ZOOKEEPER_AUTOPURGE_SNAP_RETAIN_COUNT:-3}"
} >/etc/kafka/zookeeper.properties
# shellcheck disable=SC2086 # several options in one variable, as in the original
exec java ${KAFKA_HEAP_OPTS:--Xmx512M -Xms512M} ${KAFKA_OPTS:-} \
  -Dlog4j.configuration=file:/etc/kafka/log4j.properties -cp '/usr/share/java/kafka/*' \
  org.apache.zookeeper.server.quorum.QuorumPeerMain /etc/kafka/zookeeper.properties
