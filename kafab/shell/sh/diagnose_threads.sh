# Prints the threads of a JVM that runs and does not answer, with as little disturbance as its JDK allows.
# Composed by diagnosis.asking; needs diagnose and what that needs.
# shellcheck disable=SC2086  # the words that begin a tool are split on purpose
# shellcheck disable=SC2154  # lives sets pid, start and stat

takes_quit() {  # PID: the JVM catches SIGQUIT (bit 3); one that does not, as with -Xrs, would be ended by it
  mask=
  while read -r key value; do [ "$key" != SigCgt: ] || mask=${value#????????}; done < "/proc/$1/status"
  [ -n "$mask" ] && [ "$((0x$mask & 4))" -ne 0 ]
}
threads() {  # RUN UNIT
  lives "$1" "$2" || { echo "not read: it has ended"; return; }
  alive "$pid" "$start" || return
  case ${stat##*) } in [Tt]*) echo "not read: pid $pid is stopped by a signal or a debugger, and shows no threads"; return ;; esac
  takes_quit "$pid" || { echo "not read: pid $pid takes no SIGQUIT, which would end it"; return; }
  exe=$(readlink -- "/proc/$pid/exe") || { echo "not read: pid $pid is another user's"; return; }
  as=
  [ -z "$user" ] || as="runuser -u $user --"
  for tool in "${exe%/java}/jcmd" "${exe%/jre/bin/java}/bin/jcmd"; do
    [ -x "$tool" ] || continue
    timeout -k 2 8 $as "$tool" "$pid" Thread.print -l && return
    echo "$tool did not get an answer"
    break
  done
  by_signal "$2"
}
by_signal() {  # UNIT: a JVM prints its threads where its output goes, if that is kept
  out=$(readlink -- "/proc/$pid/fd/1") || out=
  case $out in
    /*) plain "$out" || { echo "not read: what pid $pid prints goes to $out"; return; } ;;
    socket:*) ;;
    *) echo "not read: there is no jcmd beside $exe, and what pid $pid prints is not kept"; return ;;
  esac
  before=0
  case $out in /*) before=$(stat -c %s -- "$out") ;; esac
  kill -QUIT "$pid"
  # A JVM that works prints within a second; it has printed when what is kept grows no more.
  then=$before tries=20
  while [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.2
    case $out in /*) now=$(stat -c %s -- "$out") ;; *) continue ;; esac
    [ "$now" = "$before" ] || [ "$now" != "$then" ] || break
    then=$now
  done
  case $out in
    /*) tail -c +"$((before + 1))" -- "$out" ;;
    *) wrote 3000 "$1" | sed -n '/Full thread dump/,$p' ;;
  esac
}
