# shellcheck shell=bash
# Whether this machine lets us make namespaces with networks in them. Sourced after say.sh.

# Says what is missing, and succeeds when something is.
namespaces_missing() {
  if [ "$(id -u)" -ne 0 ]; then
    echo "network namespaces need root."
  elif ! unshare --mount --net --pid --fork --mount-proc true 2>/dev/null; then
    echo "this machine lets nobody make namespaces (unshare failed)."
  elif ! unshare --mount --net sh -c 'mkdir -p /run/netns && mount -t tmpfs probe /run/netns && ip netns add probe &&
      ip link add probe type bridge && ip link add probe-a type veth peer name probe-b' 2>/dev/null; then
    echo "this kernel has no bridges, or no pairs of virtual devices."
  elif ! unshare --net nft add table inet probe 2>/dev/null; then
    echo "this kernel has no nftables."
  elif [ ! -c /dev/net/tun ]; then
    echo "there is no /dev/net/tun."
  else
    return 1
  fi
}
