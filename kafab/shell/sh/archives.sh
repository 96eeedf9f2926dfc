# Makes archives of nodes' classes.
# Composed by supervisor.
# shellcheck disable=SC2016  # the text is a script for a shell in a session of its own

archives() {  # USER LAUNCH...: one after another, once the machine has a processor to spare; not after ten minutes
  setsid sh -c '
    processors=$1 user=$2
    shift 2
    # Where the kernel groups processes by session, nice counts within a session only.
    (echo 10 > /proc/self/autogroup) 2>/dev/null
    tries=0
    for launch do
      until read -r load _ < /proc/loadavg && [ "${load%.*}" -lt "$processors" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 120 ] || exit
        sleep 5
      done
      set -- nice -n 10 sh "$launch" archive
      [ -z "$user" ] || set -- runuser -u "$user" -- "$@"
      "$@" || exit
    done' sh "$(nproc)" "$@" > /dev/null 2>&1 < /dev/null &
}
