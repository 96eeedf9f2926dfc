# The process that systemd names as a unit's own.
# Composed by observation and supervisor.
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2086  # the fields of a process's stat are split on purpose

main_process() {  # PID: set pid and start of the process that systemd names as a unit's own; 0 is none
  [ "${1:-0}" -gt 0 ] && read -r stat 2>/dev/null < "/proc/$1/stat" || return 1
  pid=$1
  set -- ${stat##*) }
  [ "$1" != Z ] && start=${20}
}
