#!/bin/sh
# Runs every test and counts; ends with 1 if one failed.
cd "$(dirname "$0")/.." || exit 2
passed=0
failed=0

expect() {
  if [ "$2" = "$3" ]; then
    passed=$((passed + 1))
    printf '\033[32mok\033[0m      %s\n' "$1"
  else
    failed=$((failed + 1))
    printf '\033[31mFAILED\033[0m  %s: expected "%s", got "%s"\n' "$1" "$2" "$3"
  fi
}

for test in test/*.test.sh; do
  . "./$test"
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
