#!/bin/sh
# Puts the program together in dist/hello.
set -eu
mkdir -p dist
{
  cat greet.sh
  # shellcheck disable=SC2016 # expanded when the program runs
  echo 'greeting "$@"'
} > dist/hello
chmod +x dist/hello
echo "built dist/hello ($(wc -c < dist/hello | tr -d ' ') bytes)"
