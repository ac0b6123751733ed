#!/bin/bash
# What the official entry point does, for a SecantusDB: on an empty /data/db make the root user from
# MONGO_INITDB_ROOT_* (or *_FILE), run /docker-entrypoint-initdb.d, then start for good, asking for passwords.
set -Eeuo pipefail
file_env() {
  local name=$1 file=${1}_FILE
  if [ -n "${!name:-}" ] && [ -n "${!file:-}" ]; then
    echo "error: both $name and $file are set (but are exclusive)" >&2
    exit 1
  fi
  [ -z "${!file:-}" ] || printf -v "$name" '%s' "$(<"${!file}")"
}
file_env MONGO_INITDB_ROOT_USERNAME
file_env MONGO_INITDB_ROOT_PASSWORD
[ "${1:-}" = mongod ] || exec "$@"
server=(secantusd-py --storage-path /data/db/secantus --cache-size 256M --sync-on-commit --standalone --port 27017)
if [ -n "${MONGO_INITDB_ROOT_USERNAME:-}" ] && [ ! -e /data/db/.initialised ]; then
  "${server[@]}" --host 127.0.0.1 &
  first=$!
  for _ in $(seq 150); do
    mongosh --quiet --host 127.0.0.1 --eval 'quit(0)' >/dev/null 2>&1 && break
    sleep 0.2
  done
  export MONGO_INITDB_ROOT_USERNAME MONGO_INITDB_ROOT_PASSWORD
  mongosh --quiet --host 127.0.0.1 admin --eval 'db.createUser({
    user: process.env.MONGO_INITDB_ROOT_USERNAME,
    pwd: process.env.MONGO_INITDB_ROOT_PASSWORD,
    roles: [{role: "root", db: "admin"}]})'
  for script in /docker-entrypoint-initdb.d/*; do
    echo "running $script"
    case $script in
      *.js) mongosh --quiet --host 127.0.0.1 "${MONGO_INITDB_DATABASE:-test}" "$script" ;;
      *.sh) bash "$script" ;;
    esac
  done
  kill "$first"
  wait "$first" || :
  touch /data/db/.initialised
fi
unset MONGO_INITDB_ROOT_PASSWORD
exec "${server[@]}" --host 0.0.0.0 --auth
