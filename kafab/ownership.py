"""Where a script that runs as root may read and write: shell that tells root's own folders from those of other accounts.

Invariant: root reads and writes only where root alone can write. In a folder of another account a script works with the
rights of that account and follows no link, and of what it says there only the lines that were asked for are believed.
Under the `process` supervisor everything is one login user's, and nothing of this is asked.
"""

from kafab.command import Cmd

PLAIN = r"""
plain() { [ -f "$1" ] && [ ! -L "$1" ]; }  # a regular file: no link is followed, and no fifo waited for
""".strip()

ROOTED = r"""
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
""".strip()

READY = r"""
ready() { [ "$(stat -c %a -- "$1" 2>/dev/null)" = 755 ]; }  # a folder that a deploy has made root's own, to its end
""".strip()

AS_ACCOUNT = r"""
as_account() (  # USER SCRIPT WORD...: with the account's rights; what is on our stdin is for it, too
  user=$1 script=$2
  shift 2
  exec runuser -u "$user" -- sh -euc "$script" sh "$@"
)
""".strip()


WHOSE = r"""
whose() {  # PATH: for root, the account that could exchange what lies there; nothing where root alone could
  [ "$(id -u)" -eq 0 ] || return 0
  case $1 in /*) at=$1 ;; *) at=$PWD/$1 ;; esac
  # A link counts itself: in a folder like /tmp it is whoever made it who says where it leads.
  [ -L "$at" ] || [ -d "$at" ] || at=${at%/*}
  why=$(rooted "${at:-/}") || printf '%s\n' "$why" | sed -n 's/^.* belongs to //p' | tail -n 1
}
""".strip()


def as_account(user: str | None, script: str) -> str:
    """Return shell that runs this script with an account's rights (`AS_ACCOUNT` defines how); None runs it as it is."""
    return f"{Cmd('as_account', user, script).sh} < /dev/null" if user else script
