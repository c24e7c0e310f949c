# shellcheck shell=bash
# The compiler and the one build that everything uses. Sourced after say.sh, in the top folder.

readonly oldest_swift=6.3
# shellcheck disable=SC2034 # used by those who source this
readonly program=.build/release/roost
readonly build_log=.build/roost-build.log

# Ends the tool unless a compiler that is new enough is there.
need_compiler() {
  local ways=("Get one from https://www.swift.org/install/linux/ (for example with swiftly: swiftly install $oldest_swift)."
    "If it is installed already, put its usr/bin first in PATH.")
  command -v swift >/dev/null || fail "There is no Swift compiler here; Roost needs $oldest_swift or later." "${ways[@]}"
  local version
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9][0-9.]*\).*/\1/p' | head -n 1)
  [ -n "$version" ] || fail "'swift --version' does not say a version." "${ways[@]}"
  if [ "$(printf '%s\n%s\n' "$oldest_swift" "$version" | sort -V | head -n 1)" != "$oldest_swift" ]; then
    fail "This Swift compiler is $version; Roost needs $oldest_swift or later." "${ways[@]}"
  fi
}

# Builds the program and the tests, showing how long it has taken and what is being compiled.
build_release() {
  mkdir -p .build
  if [ -x "$program" ]; then
    say "Building what has changed"
  else
    say "Building. A first build takes about 10 minutes on 2 cores (1 to 3 on a larger machine)."
  fi
  local began=$SECONDS builder last='' step shown=0 code=0
  swift build -c release --build-tests >"$build_log" 2>&1 &
  builder=$!
  # A background child of a script ignores Ctrl-C, so it has to be told.
  trap 'kill -TERM "$builder" 2>/dev/null; wait "$builder"; printf "\n"; exit 130' INT TERM
  while kill -0 "$builder" 2>/dev/null; do
    step=$(tail -n 3 "$build_log" 2>/dev/null | tr '\r' '\n' | grep -v '^ *$' | tail -n 1 | cut -c 1-90) || true
    if [ -t 1 ]; then
      printf '\r\033[K    %s  %s' "$(elapsed "$began")" "$step"
    elif [ $((SECONDS - shown)) -ge 30 ] && [ "$step" != "$last" ]; then
      printf '    %s  %s\n' "$(elapsed "$began")" "$step"
      shown=$SECONDS last=$step
    fi
    sleep 1
  done
  wait "$builder" || code=$?
  trap - INT TERM
  [ -t 1 ] && printf '\r\033[K'
  if [ "$code" -ne 0 ]; then
    grep -E '(error|fatal):' "$build_log" | sort -u | head -n 20 >&2 || tail -n 20 "$build_log" >&2
    fail "The build failed after $(elapsed "$began")." "All that it said is in $build_log."
  fi
  [ -x "$program" ] || fail "The build made no $program." "All that it said is in $build_log."
  say "Built in $(elapsed "$began")"
}

# The time since the second given, as minutes and seconds.
elapsed() { printf '%d:%02d' $(((SECONDS - $1) / 60)) $(((SECONDS - $1) % 60)); }
