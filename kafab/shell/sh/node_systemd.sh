# How nodes live under systemd; needs node, alive, rooted, ready, as_account and main_process.
# Composed by supervisor, which sets user and making: the account, and a script for it that ends a maker of archives.
# shellcheck disable=SC2016  # the text is a script for another shell, which expands it
# shellcheck disable=SC2034  # what is set here is read by the functions composed with it
# shellcheck disable=SC2086  # the words are split on purpose
# shellcheck disable=SC2116  # echo makes one line of several
# shellcheck disable=SC2154  # node sets pid and start; supervisor sets user and making
# shellcheck disable=SC3067  # -O is not POSIX's, but every sh of a Linux host has it

own() { [ -O "$1" ] && [ -O "$1/process" ]; }
fit() {  # RUN: root's own folder, where nobody else takes the lock of a start, either; else `why` it is not
  if ! why=$(rooted "$1"); then why="root keeps its run record only where it alone can write: $(echo $why)"
  elif ! ready "$1"; then why="$1 is missing, or not as a deploy makes it"
  else
    [ -e "$1/starting" ] || (umask 077; : >> "$1/starting")
    chmod 600 -- "$1/starting"
    return
  fi
  why="$why; \`fab deploy\` mends it or tells how"
  return 1
}
lives() {  # RUN UNIT
  { recorded "$1" && alive "$pid" "$start"; } && return
  main=$(shown MainPID "$2") || { echo "systemd does not say whether $2 runs" >&2; exit 1; }
  main_process "$main" || return
  release=unknown digest=unknown asked=
}
lists() { [ -d "$1/tmp/classes" ] && as_account "$user" '[ -f "$1/tmp/classes/list" ]' "$1" < /dev/null; }
no_archive() {  # RUN: that folder is the service account's, and so is who makes one
  [ ! -d "$1/tmp/classes" ] || as_account "$user" "$making" "$1/tmp/classes" < /dev/null || :
}
shown() { systemctl show --value -p "$1" "$2"; }
begin() {  # LAUNCH RUN UNIT: a unit that has reached its start limit stays failed until it is reset
  invoked=$(shown InvocationID "$3")
  systemctl reset-failed "$3" 2>/dev/null || :
  [ "$(shown NeedDaemonReload "$3")" = no ] || systemctl daemon-reload
  systemctl start --no-block "$3"
}
ended() {  # UNIT: the run that we began has; a unit between two runs of a crash begins when its pause is over
  case $(shown SubState "$1") in
    failed) ;;
    auto-restart) now=$(shown InvocationID "$1"); [ -z "$now" ] || [ "$now" != "$invoked" ] ;;
    *) return 1 ;;
  esac
}
wrote() {  # LINES UNIT: the last ones of the unit's last run, and of systemd about it; of an older systemd, of any run
  invocation=$(shown InvocationID "$2")
  if [ -n "$invocation" ]; then
    # journald leaves the invocation out of the lines of a process that was gone before it could look it up.
    gone=$(shown ExecMainPID "$2") || gone=
    case $gone in '' | 0) gone= ;; esac
    journalctl -q -b -o cat -n "$1" "_SYSTEMD_INVOCATION_ID=$invocation" + _PID=1 "INVOCATION_ID=$invocation" \
      ${gone:++ "_SYSTEMD_UNIT=$2" "_PID=$gone"}
  else
    journalctl -q -o cat -n "$1" -u "$2"
  fi
}
reason() { wrote 3 "$2"; }
finish() { systemctl stop --no-block "$2"; }
rest() {  # nothing runs: let systemd not start it again either
  case $(shown SubState "$1") in auto-restart | start*) systemctl stop "$1" ;; esac
}
synced() {  # let journald write what it has received; for all nodes of a host once, and it is no reason to wait long
  [ -z "${journal_synced-}" ] || return 0
  journal_synced=yes
  timeout 2 journalctl --sync 2>/dev/null || :
}
lately() { wrote 200000 "$2"; }  # LOGS UNIT RUN: a recovery logs several lines a segment
after_exit() {  # LOGS UNIT
  case $(shown SubState "$2") in
    auto-restart | start* | running) say restarting "$(shown NRestarts "$2") $pid $start" ;;
    failed) say exited "$pid $start" ;;
    *) say stopped; return ;;
  esac
  synced
  # For each exit and restart systemd adds up to ten lines of its own to those of the process.
  wrote 400 "$2" | without_frames 30
}
