# Puts faults on nodes of a lab, and takes them back; needs plain, alive, node, let_go, and node_process or node_systemd.
# Composed by supervisor.
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

freeze() {  # NODE RUN UNIT: the process does not run until kafab lets go of this script, or is gone
  node=$1
  lives "$2" "$3" || { say stopped; return; }
  # From here on nothing ends this script before it has let the process go on: kafab may be gone before it has its answer.
  trap '' PIPE
  trap : HUP INT TERM
  kill -STOP "$pid"
  say running "$pid $start frozen" 2> /dev/null || :
  let_go
  ! alive "$pid" "$start" || kill -CONT "$pid"
}
strike() {  # NODE RUN UNIT: kill the process; the mark tells that it was a drill, until `struck` is asked to take it
  node=$1
  lives "$2" "$3" || { say stopped; return; }
  : > "$2/drilled"
  kill -KILL "$pid"
  finish "$pid" "$3"  # or systemd starts it again, which nobody does on a machine that is gone
  say exited "$pid $start"
}
marked() {  # NODE RUN UNIT: leave the mark of a drill, which is about to have the process end
  node=$1
  lives "$2" "$3" || { say stopped; return; }
  : > "$2/drilled"
  say running "$pid $start"
}
struck() {  # NODE RUN UNIT: let go on what is frozen; whether a drill has ended it
  node=$1
  ! lives "$2" "$3" || kill -CONT "$pid"
  if [ -e "$2/drilled" ]; then say exited; else say running; fi
}
mended() {  # NODE RUN UNIT: it runs again
  node=$1
  rm -f -- "$2/drilled"
  say running
}
