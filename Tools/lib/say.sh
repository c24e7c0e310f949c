# shellcheck shell=bash
# How the tools speak. Sourced, never run.

# One line about what happens now.
say() { printf '==> %s\n' "$*"; }

# A line that someone should read, though the work goes on.
warn() { printf 'note: %s\n' "$*" >&2; }

# Says what is wrong (first argument) and what to do about it (each further one), and ends the tool.
fail() {
  printf '\nerror: %s\n' "$1" >&2
  shift
  local way
  for way in "$@"; do printf '       %s\n' "$way" >&2; done
  exit 1
}
