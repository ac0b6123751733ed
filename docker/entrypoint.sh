#!/bin/sh
# Name this instance by its container's host name, so that each of several workers of one service has a name
# of its own, which a restart of the container keeps: Kafka then gives its partitions back to it at once.
set -eu
: "${WEIR_WORKER__INSTANCE:=$(hostname)}" "${WEIR_WEB__ADVERTISED_HOST:=$(hostname)}"
: "${WEIR_ANALYSIS__INSTANCE:=$(hostname)}" "${WEIR_ANALYSIS__ADVERTISED_HOST:=$(hostname)}"
export WEIR_WORKER__INSTANCE WEIR_WEB__ADVERTISED_HOST WEIR_ANALYSIS__INSTANCE WEIR_ANALYSIS__ADVERTISED_HOST
exec weir "$@"
