expect 'greets the world' 'Hello, world!' "$(dist/hello)"
expect 'greets by name' 'Hello, Ada!' "$(dist/hello Ada)"
expect 'keeps spaces' 'Hello, Grace Hopper!' "$(dist/hello 'Grace Hopper')"
