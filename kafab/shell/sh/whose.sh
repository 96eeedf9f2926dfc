# Which account can change what lies under a path; needs rooted.
# Composed by ops.remote.

whose() {  # PATH: for root, the account that could exchange what lies there; nothing where root alone could
  [ "$(id -u)" -eq 0 ] || return 0
  case $1 in /*) at=$1 ;; *) at=$PWD/$1 ;; esac
  # A link counts itself: in a folder like /tmp it is whoever made it who says where it leads.
  [ -L "$at" ] || [ -d "$at" ] || at=${at%/*}
  why=$(rooted "${at:-/}") || printf '%s\n' "$why" | sed -n 's/^.* belongs to //p' | tail -n 1
}
