# Tells what nodes' logs say of the loading of their logs; needs node, and node_process or node_systemd.
# Composed by supervisor.
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

loading() {  # NODE RUN LOGS UNIT PATTERN...: of each pattern the last lines of the process, so that none crowds out another
  node=$1
  if closed "$2"; then say unreadable "$2"
  elif lives "$2" "$4"; then
    say running "$pid $start"
    run=$2 logs=$3 unit=$4
    shift 4
    for each; do lately "$logs" "$unit" "$run" | grep -E -- "$each" | tail -n 200; done | quoted
  else say stopped
  fi
}
