# Listens on free ports for the length of a trial; needs alive and holder.
# Composed by preflight.network.
# shellcheck disable=SC2086  # the words are split on purpose

listen() {  # PORTS COMMAND...: the command listens on these ports, and ends by itself
  command -v systemd-socket-activate >/dev/null || { echo 'none systemd-socket-activate is not there'; exit 0; }
  ports=$1
  shift
  setsid "$@" >/dev/null 2>&1 </dev/null &
  pid=$!
  read -r stat < "/proc/$pid/stat"
  set -- ${stat##*) }
  start=${20}
  for port in $ports; do
    tries=0
    while [ -z "$(holder "$port")" ]; do
      tries=$((tries + 1))
      alive "$pid" "$start" || { echo "none the listener ended at once"; exit 0; }
      [ "$tries" -le 60 ] || { kill "$pid"; echo "none port $port did not open within 3 s"; exit 0; }
      sleep 0.05
    done
  done
  echo "listening $pid $start"
}
hush() { ! alive "$1" "$2" || kill "$1"; }  # PID START
