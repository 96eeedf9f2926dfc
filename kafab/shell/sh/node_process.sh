# How nodes live under the supervisor `process`; needs node, alive and maker.
# Composed by supervisor.
# shellcheck disable=SC2154  # what is read here is set by the functions composed with it

fit() { :; }
own() { :; }  # the run folder is the login user's, like everything else
lives() { recorded "$1" && alive "$pid" "$start"; }
lists() { [ -e "$1/classes/list" ]; }
no_archive() { maker "$1/classes"; }
begin() { setsid sh "$1" > "$2/launch.out" 2>&1 < /dev/null 8>&- & begun=$!; }
ended() { ! kill -0 "$begun" 2>/dev/null; }
reason() { tail -n 3 -- "$1/launch.out"; }
finish() { kill -TERM "$1" || :; }  # it may have ended by itself in this very moment
rest() { :; }
after_exit() {  # LOGS UNIT RUN: what this process wrote, not the one before it
  say exited "$pid"
  for log in "$1/stdout.log" "$1/server.log"; do
    [ ! -s "$log" ] || [ "$3/process" -nt "$log" ] || tail -n 15 -- "$log" | quoted
  done
}
