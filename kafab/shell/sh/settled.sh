# Waits for a formatter of a data directory.
# Composed by observation and compiler.

settled() {  # FOLDER -s|-x SECONDS: wait until nobody formats it, though whoever asked for it may be gone; 8 is the lock
  exec 8< "$1"
  tries=0
  # 1 means that it is held; with anything else there are no locks here, and nothing to wait for.
  until flock "$2" -n 8 2>/dev/null || [ "$?" -ne 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt "${3}0" ] || { echo "$1 has been formatted for $3 s and still is" >&2; exit 1; }
    sleep 0.1
  done
}
