#!/bin/sh
# Greets whoever is named, or the world.
greeting() {
  printf 'Hello, %s!\n' "${1:-world}"
}
