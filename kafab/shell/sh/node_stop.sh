# Asks nodes to end; needs node, and node_process or node_systemd.
# Composed by supervisor.
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

stop() {  # NODE RUN UNIT: ask the process to end; its exit is awaited by `check`
  node=$1
  if closed "$2"; then say unreadable "$2"
  elif lives "$2" "$3"; then
    # Without a folder of our own the unit alone knows it.
    ! fit "$2" || {
      printf '%s %s %s %s asked-to-stop\n' "$pid" "$start" "$release" "$digest" > "$2/process.asked"
      mv -f -- "$2/process.asked" "$2/process"
    }
    starting_line
    finish "$pid" "$3"
    say stopping "$pid $start"
  else
    rest "$3"
    say stopped
  fi
  no_archive "$2"
}
starting_line() {  # with `together` set: say that all is prepared, and go on at the end of stdin, which comes to all hosts at one moment
  [ -n "$together" ] || return 0
  echo ready
  read -r _ || :
  together=
}
