# Which folders root alone can change.
# Composed by observation, executor, supervisor, ops.lock, ops.destroy and ops.remote, and a part of templates/record.j2.
# shellcheck disable=SC1007  # the value is empty, as the blank says
# shellcheck disable=SC2086  # the words are split on purpose
# shellcheck disable=SC3067  # -O is not POSIX's, but every sh of a Linux host has it

rooted() (  # PATH...: root alone can change them and every folder above them; else 1, and a line for each that it cannot
  set -f
  IFS='
'
  me=0 chain=$IFS
  # Root, or whoever runs this where that is not root.
  [ -O / ] || me=$(id -u)
  for at in "$@" $(readlink -m -- "$@"); do
    while :; do
      case $chain in *"$IFS$at$IFS"*) break ;; esac
      chain=$chain$at$IFS
      [ "$at" != / ] || break
      at=${at%/*}
      at=${at:-/}
    done
  done
  stat -c '%u %g %A %U %n' -- $chain 2>/dev/null | {
    seen= wrong= places=$IFS$*$IFS
    while IFS=' ' read -r owner group rights name at; do
      seen=yes
      case $owner in 0 | "$me") ;; *) echo "$at belongs to $name"; wrong=yes; continue ;; esac
      case $group:$rights in
        *:l*) ;;
        # Of a sticky folder nobody moves what another has in it.
        *:????????w[tT]) case $places in *"$IFS$at$IFS"*) echo "everybody can write in $at"; wrong=yes ;; esac ;;
        *:????????w?) echo "everybody can write in $at"; wrong=yes ;;
        0:*) ;;
        *:?????w*) echo "its group can write in $at"; wrong=yes ;;
      esac
    done
    [ "$seen$wrong" = yes ]
  }
)
