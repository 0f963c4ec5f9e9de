expect 'shouts when asked to' 'HELLO, ADA!' "$(dist/hello --shout Ada)"
