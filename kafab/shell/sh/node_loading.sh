# Tells what nodes' logs say of the loading of their logs; needs node, and node_process or node_systemd.
# Composed by supervisor.
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

loading() {  # NODE RUN LOGS UNIT PATTERN: the last lines of the process that are of that pattern
  node=$1
  if closed "$2"; then say unreadable "$2"
  elif lives "$2" "$4"; then
    say running "$pid $start"
    lately "$3" "$4" "$2" | grep -E -- "$5" | tail -n 200 | quoted
  else say stopped
  fi
}
