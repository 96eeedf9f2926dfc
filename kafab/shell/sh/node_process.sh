# How nodes live under the supervisor `process`; needs node, alive and maker.
# Composed by supervisor.
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

fit() { :; }
own() { :; }  # the run folder is the login user's, like everything else
lives() { recorded "$1" && alive "$pid" "$start"; }
lists() { [ -e "$1/classes/list" ]; }
no_archive() { maker "$1/classes"; }
size() { if plain "$1"; then stat -c %s -- "$1"; else echo 0; fi; }
begin() {  # LAUNCH RUN UNIT LOGS: what the log holds by now is not this process's
  size "$4/server.log" > "$2/logged"
  setsid sh "$1" > "$2/launch.out" 2>&1 < /dev/null 8>&- & begun=$!
}
ended() { ! kill -0 "$begun" 2>/dev/null; }
reason() { tail -n 3 -- "$1/launch.out"; }
finish() { kill -TERM "$1" || :; }  # it may have ended by itself in this very moment
rest() { :; }
lately() {  # LOGS UNIT RUN: what this process has logged, and not the processes before it
  log=$1/server.log before=0
  [ ! -f "$3/logged" ] || read -r before < "$3/logged"
  # A log that is shorter by now was begun anew since.
  [ "$before" -le "$(size "$log")" ] || before=0
  ! plain "$log" || tail -c +"$((before + 1))" -- "$log"
}
after_exit() {  # LOGS UNIT RUN: what this process wrote, not the one before it
  say exited "$pid $start"
  log=$1/stdout.log
  [ ! -s "$log" ] || [ "$3/process" -nt "$log" ] || without_frames 15 < "$log"
  lately "$@" | tail -n 5000 | without_frames 15
}
