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
matching() {  # NODE MOST PATTERN LOG: the last lines that match, none where there is no log
  echo "node $1"
  [ -e "$4" ] || [ -L "$4" ] || return 0
  readable "$4"
  # grep ends with 1 where nothing matches.
  { grep -a -E -e "$3" -- "$4" || [ "$?" -eq 1 ]; } | tail -n "$2" | cut -b 1-400 | sed 's/^/| /'
}
grows() {  # LINES LOG
  readable "$2"
  exec tail -n "$1" -F -- "$2" 2>/dev/null
}
