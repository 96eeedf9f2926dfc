# Starts nodes; needs node, holder, and node_process or node_systemd.
# Composed by supervisor.
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

start() {  # NODE RUN LAUNCH LOGS UNIT PORT...: one start at a time, also when an earlier one lost its connection
  fit "$2" || { node=$1; say failed "$why"; return; }
  ( flock -w 20 8 || { node=$1; say failed "another start is at work"; exit 0; }
    start_locked "$@" ) 8>> "$2/starting" || exit 1
}
start_locked() {
  node=$1 run=$2 launch=$3 logs=$4 unit=$5
  shift 5
  if lives "$run" "$unit"; then
    if [ -n "$asked" ]; then say failed "pid $pid is still shutting down"; else say running "$pid $start"; fi
    return
  fi
  for port do
    held=$(holder "$port")
    [ -z "$held" ] || { say taken "$port $held"; return; }
  done
  rm -f -- "$run/process"
  begin "$launch" "$run" "$unit" "$logs"
  tries=0
  until recorded "$run"; do
    tries=$((tries + 1))
    [ "$tries" -le 200 ] || { say failed "no process was recorded within 10 s: $(reason "$run" "$unit")"; return; }
    if [ "$tries" -gt 4 ] && ended "$unit"; then
      recorded "$run" || { say failed "$(reason "$run" "$unit")"; return; }
    fi
    sleep 0.05
  done
  if lists "$run"; then say recording "$pid $start"; else say started "$pid $start"; fi
}
