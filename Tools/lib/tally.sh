# shellcheck shell=bash
# Counts tests from what their runners say. Sourced after say.sh.

passed=0
failed=0

# Adds a run of Swift Testing. Its closing line says how many tests there were; which failed is said line by line.
# A run without a closing line has crashed. Arguments: log, exit code.
tally_swift() {
  local total bad good
  total=$(sed -nE 's/.*Test run with ([0-9]+) tests?.* (passed|failed) after.*/\1/p' "$1" | awk '{n += $1} END {print n + 0}')
  bad=$(grep -cE '^[^ ]+ +Test .* failed after' <(grep -v -e 'Test run with' -e 'Test case passing' "$1")) || true
  if grep -qE 'Test run with [0-9]+ tests?.* (passed|failed) after' "$1"; then
    good=$((total > bad ? total - bad : 0))
    if [ "$total" -eq 0 ]; then warn "No Swift test ran."; bad=1; fi
  else
    warn "The Swift tests did not come to their end (exit code $2)."
    good=$(grep -cE '^[^ ]+ +Test .* passed after' "$1") || true
    bad=$((bad + 1))
  fi
  if [ "$2" -ne 0 ] && [ "$bad" -eq 0 ]; then
    warn "The Swift tests ended with exit code $2, though none of them failed."
    bad=1
  fi
  passed=$((passed + good)) failed=$((failed + bad))
}

# Adds a run of pytest: its closing line, "3 failed, 40 passed, 1 skipped, 1 error in 12.3s". Arguments: log, exit code.
tally_pytest() {
  local line good bad
  line=$(grep -E '^(=+ )?([0-9]+ [a-z]+(, )?)+ in [0-9.]+s' "$1" | tail -n 1) || true
  if grep -q INTERNALERROR "$1"; then warn "pytest broke off: what came after is not counted."; fi
  good=$(count passed "$line")
  bad=$(($(count failed "$line") + $(count errors "$line")))
  if [ -z "$line" ] || [ $((good + bad)) -eq 0 ]; then
    warn "No test of the whole program ran (exit code $2)."
    bad=$((bad + 1))
  elif [ "$2" -ne 0 ] && [ "$bad" -eq 0 ]; then
    warn "pytest ended with exit code $2, though no test failed."
    bad=1
  fi
  passed=$((passed + good)) failed=$((failed + bad))
}

# The number before a word (or its singular) in a line, 0 if it is not there. Arguments: word, line.
count() {
  local number
  number=$(sed -nE "s/.*(^|[^0-9])([0-9]+) ${1%s}s?([^a-z].*)?$/\\2/p" <<<"$2")
  echo "${number:-0}"
}

# Says the sums as the last line, and ends the tool: well only if something ran and nothing failed.
conclude() {
  echo "$passed passed, $failed failed"
  [ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
  exit
}
