# shellcheck shell=bash
# Base images with the real names, made from packages of the registries that can be reached: sourced by
# verify.sh. There is no image registry here; what a stand-in does not show is listed in
# docs/reference/containers.md.

standin() { # standin TAG FOLDER: build the folder under $CACHE/bases, which has what does not fit into the repository
  DOCKER_BUILDKIT=1 "$ENGINE_DOCKER" build -q --network=host -t "$1" "$CACHE/bases/$2" >"$CACHE/log/build-$2" 2>&1 ||
    { cat "$CACHE/log/build-$2"; return 1; }
}

# Everything that does not change is fetched or copied once and kept in the cache folder.
standin_files() {
  local python
  mkdir -p "$CACHE/bases"
  cp -r "$HERE/bases/." "$CACHE/bases/"
  if [ ! -s "$CACHE/base.tar" ]; then
    mmdebstrap -q --mode=root --format=tar --variant=minbase --include=ca-certificates,netbase,tzdata \
      --aptopt='Acquire::Languages "none"' --dpkgopt=force-unsafe-io \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      bookworm "$CACHE/base.part" /etc/apt/sources.list.d/debian.sources >"$CACHE/log/mmdebstrap" 2>&1 ||
      { tail -20 "$CACHE/log/mmdebstrap"; return 1; }
    mv "$CACHE/base.part" "$CACHE/base.tar"
  fi
  if [ ! -e "$CACHE/bases/python/python/.complete" ]; then
    python=$(PYENV_VERSION=$(pyenv versions --bare | grep -m1 '^3\.12\.') pyenv prefix)
    mkdir -p "$CACHE/bases/python/python"
    tar -C "$python" --exclude=test --exclude=site-packages --exclude=__pycache__ --exclude=config-3.12-* \
      -cf - bin include lib | tar -C "$CACHE/bases/python/python" -xf -
    mkdir -p "$CACHE/bases/python/python/lib/python3.12/site-packages"
    rm -f "$CACHE"/bases/python/python/bin/{pip,wheel,easy_install}*
    touch "$CACHE/bases/python/python/.complete"
  fi
  cp -L /etc/ssl/certs/ca-certificates.crt "$CACHE/bases/python/ca-certificates.crt"
  cp /etc/pip.conf "$CACHE/bases/python/pip.conf" 2>/dev/null || : >"$CACHE/bases/python/pip.conf"
  for python in kafka cp-kafka; do
    (cd "$ROOT" && PYTHONPATH=. "$PYTHON" tests/containers/jars.py "$python" "$CACHE/bases/$python/libs")
  done
  cp -rln "$CACHE/bases/cp-kafka/libs" "$CACHE/bases/cp-zookeeper/" 2>/dev/null || :
  npm_package mongo mongosh mongosh@2.12.0
  npm_package mongo-express app mongo-express@1.0.0
}

npm_package() { # npm_package BASE FOLDER PACKAGE: install it below a base, with the machine's Node beside it
  local base=$CACHE/bases/$1
  [ -e "$base/node" ] || cp -L "$(command -v node)" "$base/node"
  [ -e "$base/$2/.complete" ] && return 0
  npm install --silent --no-audit --no-fund --omit=optional --omit=dev --ignore-scripts --prefix "$base/$2" "$3"
  touch "$base/$2/.complete"
}

standins() {
  "$ENGINE_DOCKER" image inspect debian:bookworm-slim >/dev/null 2>&1 ||
    "$ENGINE_DOCKER" import "$CACHE/base.tar" debian:bookworm-slim >/dev/null
  standin python:3.12-slim-bookworm python
  standin eclipse-mosquitto:2.0.22 mosquitto
  standin local/java:17 java
  standin apache/kafka:4.1.1 kafka
  standin confluentinc/cp-kafka:7.9.1 cp-kafka
  standin confluentinc/cp-zookeeper:7.9.1 cp-zookeeper
  standin mongo:8.0 mongo
  standin mongo-express:1.0.2 mongo-express
}
