#!/usr/bin/env bash
# Verify docker/: lint, check the resolved compose files, build the image, bring the stack up, walk through it, kill
# its parts, take it down; with KRaft and with ZooKeeper.
#
#   tests/containers/verify.sh             everything
#   tests/containers/verify.sh static      only what needs no engine
#   tests/containers/verify.sh plain       without the ZooKeeper variant (or: zookeeper)
#
# With a Docker Engine that answers, it is used, with the real images; the project is named weir-verify and uses
# its own ports, volumes and secrets. Otherwise, as root on Debian, an engine of our own is started beside the
# machine (engine.sh), with stand-ins for the images that cannot be pulled here (standins.sh). WEIR_TEST_ENGINE=docker or
# WEIR_TEST_ENGINE=private chooses. Downloads and layers are kept in $WEIR_TEST_CONTAINER_CACHE (/var/tmp/weir-containers).
set -Eeuo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
ROOT=$(cd "$HERE/../.." && pwd)
CACHE=${WEIR_TEST_CONTAINER_CACHE:-/var/tmp/weir-containers}
mkdir -p "$CACHE/log"
CACHE=$(cd "$CACHE" && pwd)
WHAT=${1:-all}
# A Python with Weir's locked dependencies.
PYTHON=${PYTHON:-$ROOT/.venv/bin/python}
case $PYTHON in /*) ;; *) PYTHON=$PWD/$PYTHON ;; esac
# shellcheck source=tests/containers/engine.sh
. "$HERE/engine.sh"
# shellcheck source=tests/containers/standins.sh
. "$HERE/standins.sh"

step() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }

choose_engine() {
  ENGINE=${WEIR_TEST_ENGINE:-}
  if [ -z "$ENGINE" ]; then
    if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
      ENGINE=docker
    else
      ENGINE=private
    fi
  fi
  if [ "$ENGINE" = private ] && ! { [ "$(id -u)" = 0 ] && [ "$(uname -s)" = Linux ] && command -v apt-get >/dev/null; }; then
    echo "verify.sh: no Docker Engine with Compose answers, and an engine of our own needs root on Debian" >&2
    exit 1
  fi
}

# A name, secrets, a device and settings of our own, so that a stack that somebody uses is never touched.
prepare() {
  RUN=$CACHE/run
  rm -rf "$RUN"
  mkdir -p "$RUN"
  read -r DEVICE DEVICE_PASSWORD < <(
    python3 "$ROOT/docker/prepare.py" --env "$RUN/env" --secrets "$RUN/secrets" --device 464fc87d3c5a
  )
  read -r GATEWAY GATEWAY_PASSWORD < <(
    python3 "$ROOT/docker/prepare.py" --env "$RUN/env" --secrets "$RUN/secrets" --gateway hall-7
  )
  cat >>"$RUN/env" <<SETTINGS
SECRETS_DIR=$RUN/secrets
WEIR_IMAGE=weir:0.0.0-verify
WORKER_PORT=13000
ANALYSIS_PORT=18010
MONGO_EXPRESS_PORT=18081
# Short windows, many faults: much happens within a minute.
WINDOW_SECONDS=10
GRACE_SECONDS=5
IDLE_SECONDS=5
SENSORS=20
RATE=5
FAULTS=all
HEALTH_INTERVAL=5s
MQTT_PORT=11883
MQTT_TLS_PORT=18883
KAFKA_PORT=19092
SETTINGS
  # A certificate for the TLS listener, which the ZooKeeper variant opens, too.
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mosquitto -addext subjectAltName=DNS:mosquitto \
    -keyout "$RUN/secrets/mqtt_key" -out "$RUN/secrets/mqtt_certificate" 2>"$RUN/openssl"
  chmod 444 "$RUN/secrets/mqtt_key" "$RUN/secrets/mqtt_certificate"
  set -a
  # shellcheck source=/dev/null
  . "$RUN/env"
  set +a
  export DEVICE DEVICE_PASSWORD GATEWAY GATEWAY_PASSWORD
}

# compose FILE...: the command with these files of docker/, as an array in COMPOSE.
compose() {
  COMPOSE=("${ENGINE_COMPOSE[@]}" --project-name weir-verify --env-file "$RUN/env")
  local file
  for file in "$@"; do COMPOSE+=(--file "$ROOT/docker/$file"); done
}

static_checks() {
  local which files
  if command -v hadolint >/dev/null; then
    hadolint --failure-threshold warning "$ROOT/docker/Dockerfile" "$HERE"/bases/*/Dockerfile \
      --ignore DL3008 --ignore DL3013 --ignore DL3018
  fi
  if command -v shellcheck >/dev/null; then
    shellcheck --external-sources --source-path "$ROOT" --severity warning "$HERE/verify.sh" "$ROOT"/docker/*.sh \
      "$HERE"/bases/*/*.sh
  fi
  for which in plain zookeeper outside tls; do
    files=(compose.yaml)
    [ "$which" = plain ] || files+=("compose.$which.yaml")
    compose "${files[@]}"
    "${COMPOSE[@]}" --profile '*' config --format json >"$RUN/$which.json"
    python3 "$HERE/resolved.py" "$which" <"$RUN/$which.json"
  done
  # Without the required settings compose must say which is missing.
  compose compose.yaml
  if (
    unset MONGO_EXPRESS_PASSWORD
    "${ENGINE_COMPOSE[@]}" --env-file /dev/null --file "$ROOT/docker/compose.yaml" --profile '*' config -q
  ) 2>"$RUN/missing"; then
    echo "compose must refuse to start without MONGO_EXPRESS_PASSWORD" >&2
    return 1
  fi
  grep -q MONGO_EXPRESS_PASSWORD "$RUN/missing"
  # What Prometheus itself says of its configuration and rules, and that each alert is raised by what it is about.
  engine_promtool
  "${PROMTOOL[@]}" check config "$ROOT/docker/observe/prometheus.yml" >"$RUN/promtool"
  "${PROMTOOL[@]}" test rules "$HERE/alerts.test.yml" >>"$RUN/promtool" 2>&1 || { cat "$RUN/promtool"; return 1; }
}

build() {
  DOCKER_BUILDKIT=1 "$ENGINE_DOCKER" build -q "$@" --build-arg "PYTHON_IMAGE=$PYTHON_IMAGE" \
    -t "$WEIR_IMAGE" -f "$ROOT/docker/Dockerfile" "$ROOT" >"$CACHE/log/build-weir" 2>&1 ||
    { cat "$CACHE/log/build-weir"; return 1; }
}

walk() {
  local files=(compose.yaml)
  [ "$1" = plain ] || files+=(compose.zookeeper.yaml compose.outside.yaml compose.tls.yaml)
  compose "${files[@]}"
  "${COMPOSE[@]}" --profile '*' down --volumes >/dev/null 2>&1 || :
  ${ENTER[@]+"${ENTER[@]}"} "$PYTHON" "$HERE/journey.py" "$1" "${COMPOSE[@]}"
}

choose_engine
prepare
if [ "$ENGINE" = docker ]; then
  step "with the Docker Engine of this machine, and real images"
  ENGINE_DOCKER=docker ENGINE_COMPOSE=(docker compose) ENTER=()
  step "lint, resolved compose files"
  static_checks
  [ "$WHAT" = static ] && exit 0
  step "build"
  build
  compose compose.yaml compose.zookeeper.yaml
  trap '"${COMPOSE[@]}" --profile "*" down --volumes >/dev/null 2>&1' EXIT
else
  step "with an engine of our own, and stand-ins for the images"
  engine_tools
  step "lint, resolved compose files"
  static_checks
  [ "$WHAT" = static ] && exit 0
  step "files of the stand-ins"
  standin_files
  trap engine_stop EXIT
  engine_start building
  step "stand-ins"
  standins
  step "build"
  build --network=host
  "$ENGINE_DOCKER" image prune -f >/dev/null # what earlier runs have built
  engine_stop
  engine_start running
  "$ENGINE_DOCKER" ps -aq | xargs -r "$ENGINE_DOCKER" rm -f >/dev/null # what a run that was cut off has left
fi
for variant in plain zookeeper; do
  if [ "$WHAT" = all ] || [ "$WHAT" = "$variant" ]; then
    step "walk through the stack: $variant"
    walk "$variant"
  fi
done
step "verified"
