# Looks at nodes' processes; needs node, and node_process or node_systemd.
# Composed by supervisor.
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

check() {  # NODE RUN LOGS UNIT
  node=$1
  if closed "$2"; then say unreadable "$2"
  elif lives "$2" "$4"; then
    # What is frozen (SIGSTOP, a debugger) answers nobody and cannot end: proc(5), state T or t.
    case ${stat##*) } in [Tt]*) start="$start frozen" ;; esac
    if [ -n "$asked" ]; then say stopping "$pid $start"; else say running "$pid $start"; fi
  elif ! recorded "$2" || [ -n "$asked" ]; then say stopped
  else after_exit "$3" "$4" "$2"
  fi
}
