#!/bin/sh
# Start Mosquitto (`start`), or ask whether it works (`health`).
#
# The broker wants one file with hashed passwords that only its own user may read, whereas secrets are files
# whose owner and mode nobody here controls. So the file is made at each start, on the tmpfs. So are the rights:
# those of `mosquitto.acl`, and one for each gateway (`rights` prints them).
set -eu
umask 077
secrets=${SECRETS:-/run/secrets}
acl=${ACL:-/mosquitto/config/acl}
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
  # Devices and gateways: `name:hash` lines, made by `prepare.py`.
  for file in mqtt_devices mqtt_gateways; do
    [ ! -r "$secrets/$file" ] || grep -v '^[[:space:]]*$' "$secrets/$file" >>/tmp/passwords || :
  done
  rights >/tmp/acl
  cp /mosquitto/config/mosquitto.conf "$configuration"
  if [ -r /mosquitto/config/tls.conf ]; then
    cat "$secrets/mqtt_key" >/tmp/tls.key
    cat /mosquitto/config/tls.conf >>"$configuration"
  fi
  exec mosquitto -c "$configuration"
}

rights() {
  cat "$acl"
  [ -r "$secrets/mqtt_gateways" ] || return 0
  while IFS=: read -r name _; do
    case $name in '' | *[!A-Za-z0-9._@-]*) continue ;; esac
    printf '\nuser %s\ntopic write sensors/reading\n' "$name"
  done <"$secrets/mqtt_gateways"
}

health() {
  exec mosquitto_sub -h 127.0.0.1 -u health -P "$(cat /tmp/health)" -i health -t '$SYS/broker/uptime' -C 1 -W 3
}

"$1"
