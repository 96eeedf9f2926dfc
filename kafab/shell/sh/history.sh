# The history of a cluster's changes, a line a change, in two files of bounded size; needs rooted.
# Composed by ops.lock and hosts.history.
# shellcheck disable=SC1007  # the value is empty, as the blank says
# shellcheck disable=SC2086  # the words are split on purpose

told_apart() {  # RUN ROOT: the folder and the two files are fit to be read and written; else 1, and why
  [ "$2" != root ] || why=$(rooted "$1") || {
    echo "$1 holds the history, and root keeps it only where it alone can write:" $why
    return 1
  }
  for past in "$1/history" "$1/history.1"; do
    if [ -L "$past" ] || { [ -e "$past" ] && [ ! -f "$past" ]; }; then echo "$past is a link or no file"; return 1; fi
  done
}
remember() {  # RUN ROOT LINE: a host that was never deployed to has no such folder, and gets none
  [ -d "$1" ] || return 0
  told_apart "$1" "$2" || return 1
  (
    umask 077
    exec 8>> "$1/history" || exit 1
    # Two writers share the two files; one that waits for ever would keep a command from ending.
    flock -w 2 8 || :
    [ "$(stat -c %s -- "$1/history" || echo 0)" -lt 262144 ] || mv -f -- "$1/history" "$1/history.1"
    printf '%s\n' "$3" >> "$1/history"
  ) 2>&1
}
past() {  # RUN ROOT: print every line, the oldest first
  [ -d "$1" ] || return 0
  told_apart "$1" "$2" >&2 || return 1
  for past in "$1/history.1" "$1/history"; do
    [ ! -e "$past" ] || tail -c 300000 -- "$past"
  done
}
