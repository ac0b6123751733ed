#!/bin/sh
# Start Mosquitto (`start`), or ask whether it works (`health`).
#
# The broker wants one file with hashed passwords that only its own user may read, whereas secrets are files
# whose owner and mode nobody here controls. So the file is made at each start, on the tmpfs.
set -eu
umask 077
secrets=/run/secrets
configuration=/tmp/mosquitto.conf

start() {
  for name in bridge simulator; do
    [ -s "$secrets/mqtt_${name}_password" ] || {
      echo "mosquitto: the secret mqtt_${name}_password is missing or empty: run docker/prepare.py" >&2
      exit 1
    }
  done
  head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n' >/tmp/health
  {
    echo "bridge:$(cat "$secrets/mqtt_bridge_password")"
    echo "simulator:$(cat "$secrets/mqtt_simulator_password")"
    echo "health:$(cat /tmp/health)"
  } >/tmp/passwords
  mosquitto_passwd -U /tmp/passwords
  # Devices: `id:hash` lines, made by `prepare.py --device`.
  [ ! -r "$secrets/mqtt_devices" ] || grep -v '^[[:space:]]*$' "$secrets/mqtt_devices" >>/tmp/passwords || :
  cp /mosquitto/config/mosquitto.conf "$configuration"
  if [ -r /mosquitto/config/tls.conf ]; then
    cat "$secrets/mqtt_key" >/tmp/tls.key
    cat /mosquitto/config/tls.conf >>"$configuration"
  fi
  exec mosquitto -c "$configuration"
}

health() {
  exec mosquitto_sub -h 127.0.0.1 -u health -P "$(cat /tmp/health)" -i health -t '$SYS/broker/uptime' -C 1 -W 3
}

"$1"
