# What a file is, before it is read.
# Composed by every script that reads a file in a folder which the service account may write.

plain() { [ -f "$1" ] && [ ! -L "$1" ]; }  # a regular file: no link is followed, and no fifo waited for
