# Whether a recorded process runs.
# Composed by every script that knows a process by its pid and start time.
# shellcheck disable=SC2086  # the fields of a process's stat are split on purpose

alive() {  # PID START: that very process runs; a zombie has ended and only waits to be collected
  [ -r "/proc/$1/stat" ] && read -r stat 2>/dev/null < "/proc/$1/stat" || return 1
  wanted_start=$2
  set -- ${stat##*) }
  [ "$1" != Z ] && [ "${20}" = "$wanted_start" ]
}
