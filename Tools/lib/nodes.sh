# shellcheck shell=bash
# Starts and stops the nodes of a cluster on this machine. Sourced after say.sh and build.sh, in the top folder.
# Its state is .roost/: the cluster's key, and of each node its data (node-1/), its pid (node-1.pid) and its log.

readonly home=.roost
readonly ready_limit=60 # seconds that a node has to become ready
readonly stop_limit=40  # seconds that a node has to drain

# Whether a listener holds a port here. Arguments: tcp or udp, port.
port_taken() {
  local hex state=07
  hex=$(printf '%04X' "$2")
  [ "$1" = tcp ] && state=0A
  cat "/proc/net/$1" "/proc/net/${1}6" 2>/dev/null |
    awk -v port="$hex" -v state="$state" '
      { split($2, local, ":"); if (local[2] == port && $4 == state) found = 1 } END { exit !found }'
}

# The pid of a node that this folder started and that still runs. A pid may have gone to another program meanwhile, so
# the process must be our program, serving that node's own folder.
node_pid() {
  local pid exe
  pid=$(cat "$home/node-$1.pid" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  exe=$(readlink "/proc/$pid/exe" 2>/dev/null) || return 1
  [ "${exe% (deleted)}" = "$(readlink -f "$program")" ] || return 1
  tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF -- "$PWD/$home/node-$1" || return 1
  echo "$pid"
}

# The numbers of the nodes that this folder knows, running or not.
known_nodes() {
  local file
  for file in "$home"/node-*.pid; do
    [ -e "$file" ] || continue
    file=${file##*/node-}
    echo "${file%.pid}"
  done | sort -n
}

# Ends the tool when a port of these nodes is held by something else. Arguments: count, first port.
need_ports() {
  local i port
  for ((i = 0; i < $1; i++)); do
    for port in "tcp $(($2 + i))" "udp $(($2 + 1000 + i))" "tcp $(($2 + 2000 + i))"; do
      # shellcheck disable=SC2086 # two words are meant
      port_taken $port || continue
      fail "Port ${port#* } (${port% *}) is in use by another program." \
        "See which:  ss -lntup | grep ${port#* }" \
        "or take other ports:  Tools/up --port 16336"
    done
  done
}

# Starts one node without waiting. Arguments: number, count, first port.
start_node() {
  local number=$1 count=$2 first=$3 i joins=()
  for ((i = 1; i <= count; i++)); do
    [ "$i" -eq "$number" ] || joins+=(--join "127.0.0.1:$((first + 999 + i))")
  done
  mkdir -p "$home/node-$number"
  rm -f "$home/node-$number.out" # an earlier life's "ready" must not be read
  setsid "$program" serve \
    --node-name "node-$number" --data "$PWD/$home/node-$number" \
    --listen "127.0.0.1:$((first + number - 1))" \
    --gossip "127.0.0.1:$((first + 999 + number))" --bus "127.0.0.1:$((first + 1999 + number))" \
    "${joins[@]}" --cluster-key-file "$PWD/$home/cluster.key" \
    >"$home/node-$number.out" 2>"$home/node-$number.log" </dev/null &
  echo $! >"$home/node-$number.pid"
  disown $! # its end is told in our words, not the shell's
}

# Waits until a node has said that it is ready, or ends the tool. Argument: number.
await_ready() {
  local deadline=$((SECONDS + ready_limit)) trouble
  until grep -q '^ready ' "$home/node-$1.out" 2>/dev/null; do
    trouble=
    kill -0 "$(cat "$home/node-$1.pid")" 2>/dev/null || trouble="ended while it started"
    [ "$SECONDS" -lt "$deadline" ] || trouble="was not ready within $ready_limit s"
    if [ -n "$trouble" ] && ! grep -q '^ready ' "$home/node-$1.out"; then
      tail -n 10 "$home/node-$1.out" "$home/node-$1.log" >&2
      stop_nodes
      fail "node-$1 $trouble; its last words are above." "Its log is $home/node-$1.log; its data is $home/node-$1/."
    fi
    sleep 0.1
  done
}

# Waits until every member is alive and holds what any of them held, or ends the tool. Argument: first port.
await_same() {
  "$program" cluster await --within 120 --url "http://127.0.0.1:$1" >/dev/null || fail \
    "The nodes do not come to hold the same, so none is stopped." "See:  $program cluster --url http://127.0.0.1:$1"
}

# Restarts the nodes one after another while the others go on. Arguments: count, first port.
restart_nodes() {
  local number pid deadline
  trap 'rm -f "$home/restarting"' EXIT
  touch "$home/restarting"
  for ((number = 1; number <= $1; number++)); do
    # Clients of this node move to the others, which must hold all that it holds.
    await_same "$2"
    pid=$(node_pid "$number") || fail "node-$number has ended meanwhile; its log is $home/node-$number.log."
    say "Restarting node-$number"
    kill -TERM "$pid"
    deadline=$((SECONDS + stop_limit))
    while node_pid "$number" >/dev/null; do
      [ "$SECONDS" -lt "$deadline" ] || fail "node-$number did not stop within $stop_limit s; the rest was left alone."
      sleep 0.1
    done
    start_node "$number" "$1" "$2"
    await_ready "$number"
  done
  await_same "$2"
  rm -f "$home/restarting"
}

# The pid of the balancer that this folder started, while it runs.
balancer_pid() {
  local pid
  pid=$(cat "$home/balancer.pid" 2>/dev/null) || return 1
  [[ $pid =~ ^[0-9]+$ ]] || return 1
  [ "$(basename "$(readlink "/proc/$pid/exe" 2>/dev/null)")" = haproxy ] || return 1
  [ "$(readlink "/proc/$pid/cwd" 2>/dev/null)" = "$PWD" ] || return 1
  echo "$pid"
}

# Starts the balancer before the nodes, on the port below the first. Arguments: count, first port.
start_balancer() {
  local i addresses=()
  for ((i = 0; i < $1; i++)); do addresses+=("127.0.0.1:$(($2 + i))"); done
  setsid Cluster/local/balancer "127.0.0.1:$(($2 - 1))" "${addresses[@]}" >"$home/balancer.log" 2>&1 </dev/null &
  echo $! >"$home/balancer.pid"
  disown $!
  for ((i = 0; i < 100; i++)); do
    port_taken tcp $(($2 - 1)) && return
    sleep 0.1
  done
  tail -n 10 "$home/balancer.log" >&2
  stop_nodes
  fail "The balancer did not start; its last words are above."
}

# Stops the balancer and every node that this folder started: asks all, then waits for each.
stop_nodes() {
  local number pid deadline=$((SECONDS + stop_limit))
  pid=$(balancer_pid) && kill -TERM "$pid" 2>/dev/null
  rm -f "$home/balancer.pid"
  for number in $(known_nodes); do
    pid=$(node_pid "$number") && kill -TERM "$pid" 2>/dev/null
  done
  for number in $(known_nodes); do
    while pid=$(node_pid "$number"); do
      if [ "$SECONDS" -ge "$deadline" ]; then
        warn "node-$number did not stop within $stop_limit s; it is ended now."
        kill -KILL "$pid" 2>/dev/null
        deadline=$((SECONDS + 5))
      fi
      sleep 0.1
    done
    rm -f "$home/node-$number.pid"
  done
}
