# Shows the log files of a node; needs plain.
# Composed by ops.logs.

readable() {  # FILE: it is one, and no link
  [ ! -e "$1" ] && [ ! -L "$1" ] || plain "$1" || { echo "$1 is a link or no file, and is not followed" >&2; exit 1; }
}
last() {  # LINES LOG PRINTED
  readable "$2"
  tail -n "$1" -- "$2"
  readable "$3"
  [ ! -s "$3" ] || tail -n "$1" -- "$3"
}
grows() {  # LINES LOG
  readable "$2"
  exec tail -n "$1" -F -- "$2" 2>/dev/null
}
